#include "tenon/interop/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "tenon/interop/mapped_file.h"
#include "tenon/interop/safetensors_header.h"

namespace tenon::interop {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's byte order is this one");

constexpr const char* kRead = "read_safetensors";

}  // namespace

struct SafetensorsReader::State {
  State(std::string source, std::span<const std::byte> file, const SafetensorsReadOptions& rules,
        std::shared_ptr<const void> kept)
      : name(std::move(source)), options(rules), owner(std::move(kept)) {
    MemoryReader reader(kRead, name, file);
    header = read_safetensors_header(reader, options);
    data = file.subspan(reader.position());
    for (size_t i = 0; i < header.tensors.size(); ++i) {
      names.push_back(header.tensors[i].name);
      index.emplace(header.tensors[i].name, i);
    }
  }

  const SafetensorsInfo& find(const std::string& wanted) const {
    const auto found = index.find(wanted);
    if (found != index.end()) return header.tensors[found->second];
    std::string known;
    for (size_t i = 0; i < names.size() && i < 20; ++i) known += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > 20) known += ", ...";
    fail(ErrorCode::kInvalidArgument, kRead, name, ": there is no tensor '", wanted,
         "'; the file has ", names.empty() ? "none" : known);
  }

  // The dtype in which the bytes are given out.
  DType dtype_of(const SafetensorsInfo& t) const {
    if (t.dtype != DType::none) return t.dtype;
    const bool float8 = is_safetensors_float8(*safetensors_type(t.dtype_name));
    if (float8 && options.float8_as_uint8) return DType::uint8;
    fail(ErrorCode::kDType, kRead, name, ": tensor '", t.name, "' is ", t.dtype_name,
         ", for which Tenon has no dtype",
         float8 ? "; take its bits as uint8 with float8_as_uint8 = true, or convert the file to F16"
                : ", nor for anything below 8 bits; convert the file to F16");
  }

  std::span<const std::byte> bytes_of(const SafetensorsInfo& t) const {
    const std::span<const std::byte> bytes =
        data.subspan(static_cast<size_t>(t.begin), static_cast<size_t>(t.nbytes()));
    if (t.dtype != DType::bool_) return bytes;
    for (std::byte b : bytes) {
      if (b > std::byte(1)) {
        fail(ErrorCode::kFormat, kRead, name, ": tensor '", t.name, "': a BOOL is the byte ",
             static_cast<int>(b), ", neither 0 nor 1");
      }
    }
    return bytes;
  }

  std::string name;
  SafetensorsReadOptions options;
  std::shared_ptr<const void> owner;
  SafetensorsHeader header;
  std::span<const std::byte> data;
  std::vector<std::string> names;
  std::map<std::string, size_t> index;
};

SafetensorsReader::SafetensorsReader(const std::string& path,
                                     const SafetensorsReadOptions& options) {
  const auto file = MappedFile::open(kRead, path);
  state_ = std::make_unique<State>(concat_text("'", path, "'"), file->bytes(), options, file);
}

SafetensorsReader::SafetensorsReader(std::span<const std::byte> bytes,
                                     const SafetensorsReadOptions& options,
                                     std::shared_ptr<const void> owner, const std::string& name)
    : state_(std::make_unique<State>(name, bytes, options, std::move(owner))) {}

SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;
SafetensorsReader::~SafetensorsReader() = default;

const std::vector<std::string>& SafetensorsReader::names() const { return state_->names; }
bool SafetensorsReader::contains(const std::string& name) const {
  return state_->index.contains(name);
}
const SafetensorsInfo& SafetensorsReader::info(const std::string& name) const {
  return state_->find(name);
}
const std::map<std::string, std::string>& SafetensorsReader::metadata() const {
  return state_->header.metadata;
}

NdArray SafetensorsReader::map(const std::string& name) const {
  const SafetensorsInfo& t = state_->find(name);
  const DType dtype = state_->dtype_of(t);
  return NdArray::over({.data = const_cast<std::byte*>(state_->bytes_of(t).data()),
                        .owner = state_->owner,
                        .dtype = dtype,
                        .shape = t.shape,
                        .read_only = true});
}

NdArray SafetensorsReader::read(const std::string& name) const {
  const SafetensorsInfo& t = state_->find(name);
  NdArray array = NdArray::uninitialized(state_->dtype_of(t), t.shape);
  const std::span<const std::byte> bytes = state_->bytes_of(t);
  if (!bytes.empty()) std::memcpy(array.mutable_data(), bytes.data(), bytes.size());
  return array;
}

std::vector<SafetensorsEntry> read_safetensors(const std::string& path,
                                               const SafetensorsReadOptions& options, bool map,
                                               std::map<std::string, std::string>* metadata) {
  const SafetensorsReader reader(path, options);
  std::vector<SafetensorsEntry> out;
  for (const std::string& name : reader.names()) {
    const SafetensorsInfo& t = reader.info(name);
    out.push_back({name, map ? reader.map(name) : reader.read(name),
                   t.dtype == DType::none ? t.dtype_name : std::string()});
  }
  if (metadata != nullptr) *metadata = reader.metadata();
  return out;
}

}  // namespace tenon::interop
