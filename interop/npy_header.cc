#include "tenon/interop/npy_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "interop/python_literal.h"
#include "tenon/interop/ndarray.h"

namespace tenon::interop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "'<' is taken for this machine's byte order");

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicSize = 6;
constexpr size_t kAlignment = 64;
constexpr size_t kGrowthDigits = 21;  // NumPy leaves room for the first axis to grow in place

// numpy.dtype's one-letter names of fixed-size types.
struct Letter {
  char letter;
  std::string_view descr;
};
constexpr Letter kLetters[] = {{'?', "b1"}, {'b', "i1"}, {'B', "u1"}, {'h', "i2"}, {'H', "u2"},
                               {'i', "i4"}, {'I', "u4"}, {'q', "i8"}, {'Q', "u8"}, {'e', "f2"},
                               {'f', "f4"}, {'d', "f8"}, {'F', "c8"}, {'D', "c16"}};

DType dtype_of_descr(std::string_view descr) {
  if (descr.size() == 1) {
    for (const Letter& l : kLetters) {
      if (l.letter == descr[0]) descr = l.descr;
    }
  }
  for (int i = 1; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    if (!dtype_info(d).numpy_descr.empty() && dtype_info(d).numpy_descr == descr) return d;
  }
  return dtype_from_name(descr);
}

// Why an element type cannot be read and what to do instead.
[[noreturn]] void refuse_descr(const ByteReader& reader, const std::string& descr,
                               std::string_view plain) {
  const char kind = plain.empty() ? '\0' : plain[0];
  std::string_view why =
      "Tenon has no such element type: save it with a.astype('float64') or another of NumPy's "
      "numbers";
  switch (kind) {
    case 'O':
      why =
          "Object arrays cannot be loaded: their data is a pickle, and Tenon executes nothing from "
          "a file; convert "
          "with a.astype('float32') in NumPy and save again";
      break;
    case 'V':
      why =
          "elements of raw bytes: if it is bfloat16 (NumPy writes ml_dtypes.bfloat16 so), read it "
          "with "
          "void_as = DType::bfloat16 (V1: DType::float8_e4m3fn); else save a.view() of a number "
          "type";
      break;
    case 'S':
    case 'a':
    case 'U':
    case 'T':
      why =
          "text is not a tensor: encode it as integers, for example np.unique(a, "
          "return_inverse=True)[1]";
      break;
    case 'M':
    case 'm':
      why = "dates and durations are not numbers: save a.astype('int64') and note the unit";
      break;
    default:
      if (plain == "f16" || plain == "f12" || plain == "c32" || plain == "c24" || plain == "g" ||
          plain == "G") {
        why = "long double differs between machines: save a.astype('float64') or 'complex128'";
      } else if (plain == "f1") {
        why =
            "NumPy writes ml_dtypes' float8_e5m2 so: read it with void_as = DType::float8_e5m2, or "
            "save "
            "a .safetensors file";
      }
  }
  fail(ErrorCode::kDType, reader.operation(), reader.name(), ": cannot read elements of type '",
       descr, "': ", why);
}

// One '{key: value, ...}' of an .npy file.
class HeaderParser {
 public:
  HeaderParser(const ByteReader& reader, const NpyHeaderRules& rules, std::string_view text,
               bool python2)
      : reader_(reader), rules_(rules), text_(text, python2) {}

  NpyHeader parse() {
    expect('{', "a dict");
    while (!text_.take('}')) {
      std::string key;
      if (!text_.string(&key)) refuse("a key in quotes or '}'");
      expect(':', "':' after a key");
      if (key == "descr") {
        once(&has_descr_, key);
        descr();
      } else if (key == "fortran_order") {
        once(&has_order_, key);
        if (!text_.boolean(&header_.fortran_order)) {
          reader_.refuse("fortran_order is not a valid bool: found ", text_.next_text());
        }
      } else if (key == "shape") {
        once(&has_shape_, key);
        shape();
      } else {
        wrong_keys(concat_text("found '", key, "'"));
      }
      if (!text_.take(',')) {
        expect('}', "',' or '}' after a value");
        break;
      }
    }
    if (!text_.at_end()) refuse("nothing after the dict");
    if (!has_descr_ || !has_order_ || !has_shape_) {
      wrong_keys(concat_text("missing '",
                             !has_descr_   ? "descr"
                             : !has_order_ ? "fortran_order"
                                           : "shape",
                             "'"));
    }
    if (!count_nbytes(header_.dtype, header_.shape, &header_.nbytes)) {
      reader_.refuse("array is too big: shape ", shape_text(header_.shape), " of ",
                     dtype_name(header_.dtype),
                     " has more bytes than an address can count; the header is wrong");
    }
    return header_;
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) {
    reader_.refuse("Cannot parse header: expected ", expected, ", found ", text_.next_text());
  }
  [[noreturn]] void wrong_keys(const std::string& what) {
    reader_.refuse("Header does not contain the correct keys: ", what,
                   "; exactly 'descr', 'fortran_order' and 'shape' are expected");
  }
  void expect(char punctuation, std::string_view what) {
    if (!text_.take(punctuation)) refuse(what);
  }
  void once(bool* seen, const std::string& key) {
    if (*seen) wrong_keys(concat_text("'", key, "' twice"));
    *seen = true;
  }

  void descr() {
    if (text_.take('[') || text_.take('(') || text_.take('{')) {
      fail(ErrorCode::kDType, reader_.operation(), reader_.name(),
           ": structured arrays (several fields per element) are not tensors: save each field by "
           "itself, a['field']");
    }
    std::string descr;
    if (!text_.string(&descr))
      reader_.refuse("descr is not a valid dtype descriptor: ", text_.next_text());
    std::string_view plain = descr;
    char order = '=';
    if (!plain.empty() && std::string_view("<>=|").find(plain[0]) != std::string_view::npos) {
      order = plain[0];
      plain.remove_prefix(1);
    }
    header_.dtype = dtype_of_descr(plain);
    const bool is_raw =
        plain == "V1" || plain == "V2" || (plain == "f1" && rules_.void_as == DType::float8_e5m2);
    if (is_raw && rules_.void_as != DType::none && item_size(rules_.void_as) == plain[1] - '0') {
      header_.dtype = rules_.void_as;
    }
    if (header_.dtype == DType::none) refuse_descr(reader_, descr, plain);
    header_.byte_swapped = order == '>' && item_size(header_.dtype) > 1;
  }

  void shape() {
    if (!text_.take('('))
      reader_.refuse("shape is not valid: expected a tuple of integers, found ", text_.next_text());
    bool comma = false;
    while (!text_.take(')')) {
      int64_t size = 0;
      bool overflow = false;
      const std::string found = text_.next_text();
      if (!text_.integer(&size, &overflow)) {
        reader_.refuse("shape is not valid: ",
                       overflow ? "too large an integer at " : "expected an integer, found ",
                       found);
      }
      if (size < 0) reader_.refuse("negative dimensions are not allowed: the shape has ", size);
      if (header_.shape.size() == kMaxRank) {
        reader_.refuse("shape is not valid: more than ", kMaxRank,
                       " dimensions, and no tensor has as many");
      }
      header_.shape.push_back(size);
      comma = text_.take(',');
      if (!comma) {
        expect(')', "',' or ')' in the shape");
        break;
      }
    }
    if (header_.shape.size() == 1 && !comma) {  // "(3)" is an int to Python
      reader_.refuse("shape is not valid: (", header_.shape[0], ") is no tuple, (",
                     header_.shape[0], ",) is");
    }
  }

  const ByteReader& reader_;
  const NpyHeaderRules& rules_;
  PythonLiteral text_;
  NpyHeader header_;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

}  // namespace

Dims NpyHeader::byte_strides() const {
  Dims strides(shape.size(), 0);
  int64_t step = item_size(dtype);
  for (int n = 0; n < shape.size(); ++n) {
    const int axis = fortran_order ? n : shape.size() - 1 - n;
    strides[axis] = step;
    step *= std::max<int64_t>(shape[axis], 1);
  }
  return strides;
}

NpyHeader read_npy_header(ByteReader& reader, const NpyHeaderRules& rules) {
  unsigned char start[kMagicSize + 2];
  reader.read_exactly("magic string", std::as_writable_bytes(std::span(start)));
  if (std::memcmp(start, kMagic, kMagicSize) != 0) {
    const bool zip = start[0] == 'P' && start[1] == 'K';
    reader.refuse("the magic string is not correct; expected \\x93NUMPY: ",
                  zip ? "this is a zip archive, read it as .npz" : "this is not an .npy file");
  }
  const int major = start[kMagicSize], minor = start[kMagicSize + 1];
  if (major < 1 || major > 3 || minor != 0) {
    reader.refuse("we only support format version (1,0), (2,0), and (3,0), not (", major, ",",
                  minor, ")");
  }
  unsigned char length_bytes[4] = {};
  reader.read_exactly("array header length",
                      std::as_writable_bytes(std::span(length_bytes, major == 1 ? 2 : 4)));
  int64_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | length_bytes[i];
  if (length > rules.max_header_bytes) {
    reader.refuse("Header info length (", length,
                  ") is large and may not be safe to load securely: raise "
                  "max_header_bytes (",
                  rules.max_header_bytes, ") if the file is to be trusted");
  }
  reader.expect_at_least("array header", static_cast<uint64_t>(length));
  std::string text(static_cast<size_t>(length), '\0');
  reader.read_exactly("array header", std::as_writable_bytes(std::span(text.data(), text.size())));
  return HeaderParser(reader, rules, text, /*python2=*/major < 3).parse();
}

std::string npy_header_text(const NpyHeader& header, const std::string& descr) {
  std::string type = descr;
  if (type.empty()) {
    type = concat_text(item_size(header.dtype) == 1 ? '|'
                       : header.byte_swapped        ? '>'
                                                    : '<',
                       dtype_info(header.dtype).numpy_descr);
  }
  std::string shape = "(";
  for (int i = 0; i < header.shape.size(); ++i) {
    if (i != 0) shape += ", ";
    shape += std::to_string(header.shape[i]);
  }
  shape += header.shape.size() == 1 ? ",)" : ")";
  std::string dict = concat_text("{'descr': '", type,
                                 "', 'fortran_order': ", header.fortran_order ? "True" : "False",
                                 ", 'shape': ", shape, ", }");
  if (!header.shape.empty()) {
    const int64_t grows = header.fortran_order ? header.shape.back() : header.shape[0];
    dict.append(kGrowthDigits - std::to_string(grows).size(), ' ');
  }
  constexpr size_t kPrefix =
      kMagicSize + 2 + 2;  // version 1.0 counts 65,535 bytes; 64 axes need 2,000
  dict.append(kAlignment - (kPrefix + dict.size() + 1) % kAlignment, ' ');
  dict += '\n';
  std::string out(kMagic, kMagicSize);
  out += {'\1', '\0', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
  return out + dict;
}

}  // namespace tenon::interop
