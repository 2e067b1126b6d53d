#include "tenon/interop/safetensors_header.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "tenon/interop/json_literal.h"

namespace tenon::interop {
namespace {

// The format's own types that Tenon has no dtype for; all others are rows of dtype.def.
constexpr SafetensorsType kForeign[] = {
    {"F4", DType::none, 4},      {"F6_E2M3", DType::none, 6},     {"F6_E3M2", DType::none, 6},
    {"F8_E8M0", DType::none, 8}, {"F8_E4M3FNUZ", DType::none, 8}, {"F8_E5M2FNUZ", DType::none, 8},
};

constexpr SafetensorsType kOwn[] = {
#define TENON_DTYPE(name, type, number, kind, code, bits, descr, safetensors) \
  {safetensors, DType::name, 8 * static_cast<int>(sizeof(type))},
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
};

// The JSON text of one header.
class HeaderParser {
 public:
  HeaderParser(const ByteReader& reader, std::string_view text) : reader_(reader), text_(text) {}

  SafetensorsHeader parse() {
    expect('{', "'{'");
    if (!text_.take('}')) {
      do {
        entry();
      } while (text_.take(','));
      expect('}', "',' or '}'");
    }
    if (text_.rest().find_first_not_of(' ') != std::string_view::npos)
      refuse("nothing but spaces after the object");
    return std::move(header_);
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) {
    reader_.refuse("invalid JSON in header: expected ", expected, " at ", text_.place());
  }
  template <class... Pieces>
  [[noreturn]] void refuse_tensor(const std::string& name, const Pieces&... pieces) {
    reader_.refuse("tensor '", name, "': ", pieces...);
  }
  void expect(char punctuation, std::string_view what) {
    if (!text_.take(punctuation)) refuse(what);
  }
  std::string key() {
    std::string name;
    if (!text_.string(&name)) refuse("a name in double quotes");
    expect(':', "':'");
    return name;
  }

  void entry() {
    const std::string name = key();
    if (!names_.insert(name).second)
      reader_.refuse("'", name, "' stands in the header twice: which one is meant is unknown");
    if (name == "__metadata__") {
      metadata();
    } else if (name.empty()) {
      reader_.refuse("a tensor has an empty name");
    } else {
      tensor(name);
    }
  }

  void metadata() {
    expect('{', "'{' of __metadata__");
    if (text_.take('}')) return;
    do {
      const std::string name = key();
      std::string value;
      if (!text_.string(&value)) refuse("a string: __metadata__ holds nothing else");
      if (!header_.metadata.emplace(name, value).second)
        reader_.refuse("'", name, "' stands in __metadata__ twice");
    } while (text_.take(','));
    expect('}', "',' or '}' in __metadata__");
  }

  void tensor(const std::string& name) {
    SafetensorsInfo info;
    info.name = name;
    bool dtype = false, shape = false, offsets = false;
    const auto once = [&](bool* seen, const char* field) {
      if (*seen) refuse_tensor(name, "'", field, "' stands there twice");
      *seen = true;
    };
    expect('{', "'{' of a tensor");
    do {
      const std::string field = key();
      if (field == "dtype") {
        once(&dtype, "dtype");
        if (!text_.string(&info.dtype_name)) refuse("the name of a dtype");
      } else if (field == "shape") {
        once(&shape, "shape");
        sizes(name, &info.shape);
      } else if (field == "data_offsets") {
        once(&offsets, "data_offsets");
        range(&info);
      } else {
        refuse_tensor(name, "unknown field '", field,
                      "'; exactly dtype, shape and data_offsets are expected");
      }
    } while (text_.take(','));
    expect('}', "',' or '}' in a tensor");
    if (!dtype || !shape || !offsets) {
      refuse_tensor(name, "missing field '",
                    !dtype   ? "dtype"
                    : !shape ? "shape"
                             : "data_offsets",
                    "'");
    }
    check(&info);
    header_.tensors.push_back(std::move(info));
  }

  void sizes(const std::string& name, Dims* shape) {
    expect('[', "'[' of a shape");
    if (text_.take(']')) return;
    do {
      uint64_t size = 0;
      if (!text_.unsigned_integer(&size) || size > INT64_MAX) refuse("a size of 0 to 2^63 - 1");
      if (shape->size() == kMaxRank)
        refuse_tensor(name, "more than ", kMaxRank, " dimensions, and no tensor has as many");
      shape->push_back(static_cast<int64_t>(size));
    } while (text_.take(','));
    expect(']', "',' or ']' in a shape");
  }

  void range(SafetensorsInfo* info) {
    expect('[', "'[' of data_offsets");
    if (!text_.unsigned_integer(&info->begin)) refuse("the offset of the first byte");
    expect(',', "',' between the two offsets");
    if (!text_.unsigned_integer(&info->end)) refuse("the offset behind the last byte");
    expect(']', "']' after two offsets");
  }

  // What one tensor says must agree with itself.
  void check(SafetensorsInfo* info) {
    const SafetensorsType* type = safetensors_type(info->dtype_name);
    if (type == nullptr) refuse_tensor(info->name, "unknown dtype '", info->dtype_name, "'");
    info->dtype = type->dtype;
    if (info->end < info->begin) {
      refuse_tensor(info->name, "invalid offset for tensor: [", info->begin, ", ", info->end,
                    "] ends before it begins");
    }
    // The elements are counted as bytes first; a size 0 does not excuse others that overflow.
    int64_t elements = 0, bits = 0;
    if (!count_nbytes(DType::uint8, info->shape, &elements) ||
        __builtin_mul_overflow(elements, int64_t{type->bits}, &bits)) {
      refuse_tensor(info->name, "overflow computing buffer size from shape ",
                    shape_text(info->shape), " and element type ", info->dtype_name);
    }
    if (bits % 8 != 0 || static_cast<uint64_t>(bits / 8) != info->nbytes()) {
      refuse_tensor(info->name,
                    "invalid shape, data type, or offset for tensor: ", info->dtype_name,
                    " of shape ", shape_text(info->shape), " takes ", bits, " bits, data_offsets [",
                    info->begin, ", ", info->end, "] are ", info->nbytes(), " bytes");
    }
  }

  const ByteReader& reader_;
  JsonLiteral text_;
  SafetensorsHeader header_;
  std::set<std::string> names_;
};

// In the order of the data, without gap, overlap or rest.
void check_layout(const ByteReader& reader, const SafetensorsReadOptions& options,
                  std::vector<SafetensorsInfo>* tensors) {
  std::sort(tensors->begin(), tensors->end(),
            [](const SafetensorsInfo& a, const SafetensorsInfo& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  uint64_t at = 0;
  for (const SafetensorsInfo& t : *tensors) {
    if (t.begin != at) {
      reader.refuse("invalid offset for tensor '", t.name, "': it begins at ", t.begin,
                    t.begin < at ? ", inside another one that ends at " : ", a gap after ", at);
    }
    const uint64_t item = t.dtype == DType::none ? 1 : static_cast<uint64_t>(item_size(t.dtype));
    if (t.nbytes() != 0 && t.begin % item != 0 && !options.allow_misaligned) {
      reader.refuse("tensor '", t.name, "' of ", t.dtype_name, " is misaligned: it begins at byte ",
                    t.begin, ", no multiple of ", item,
                    ". Set allow_misaligned to copy such tensors, or write the file anew");
    }
    at = t.end;
  }
  const uint64_t there = reader.remaining_at_most();
  if (at != there) {
    reader.refuse("incomplete metadata, file not fully covered: the tensors end at byte ", at,
                  " of the data, which has ", there);
  }
}

}  // namespace

const SafetensorsType* safetensors_type(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const SafetensorsType& t : kOwn) {
    if (t.name == name) return &t;
  }
  for (const SafetensorsType& t : kForeign) {
    if (t.name == name) return &t;
  }
  return nullptr;
}

const SafetensorsType* safetensors_type(DType dtype) {
  for (const SafetensorsType& t : kOwn) {
    if (t.dtype == dtype && !t.name.empty()) return &t;
  }
  return nullptr;
}

bool is_safetensors_float8(const SafetensorsType& type) {
  return type.bits == 8 && (type.dtype == DType::none || is_float8(type.dtype));
}

SafetensorsHeader read_safetensors_header(ByteReader& reader,
                                          const SafetensorsReadOptions& options) {
  const uint64_t size = reader.remaining_at_most();
  if (size < 8) reader.refuse("header too small: the file has ", size, " bytes");
  unsigned char little[8];
  reader.read_exactly("header length", std::as_writable_bytes(std::span(little)));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | little[i];
  if (length > static_cast<uint64_t>(std::max<int64_t>(options.max_header_bytes, 0))) {
    reader.refuse("header too large: it says ", length, " bytes, the limit is ",
                  options.max_header_bytes);
  }
  if (length > size - 8) {
    reader.refuse("invalid header length: it says ", length, " bytes, the file has ", size - 8,
                  " more");
  }
  std::string text(length, '\0');
  reader.read_exactly("header", std::as_writable_bytes(std::span(text.data(), text.size())));
  if (!is_utf8(text)) reader.refuse("invalid UTF-8 in header");
  if (!text.starts_with('{')) reader.refuse("invalid start of header: it must begin with '{'");
  SafetensorsHeader header = HeaderParser(reader, text).parse();
  check_layout(reader, options, &header.tensors);
  return header;
}

std::string safetensors_header_text(const std::vector<SafetensorsInfo>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata)
      text += concat_text(json_quoted(key), ":", json_quoted(value), ",");
    text.back() = '}';
    text += ',';
  }
  for (const SafetensorsInfo& t : tensors) {
    text +=
        concat_text(json_quoted(t.name), ":{\"dtype\":", json_quoted(t.dtype_name), ",\"shape\":[");
    for (int i = 0; i < t.shape.size(); ++i) {
      if (i != 0) text += ',';
      text += std::to_string(t.shape[i]);
    }
    text += concat_text("],\"data_offsets\":[", t.begin, ",", t.end, "]},");
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

}  // namespace tenon::interop
