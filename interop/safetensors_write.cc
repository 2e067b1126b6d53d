#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "tenon/interop/atomic_file.h"
#include "tenon/interop/json_literal.h"
#include "tenon/interop/safetensors.h"
#include "tenon/interop/safetensors_header.h"

namespace tenon::interop {
namespace {

constexpr const char* kWrite = "write_safetensors";

// What is written as what.
struct Planned {
  SafetensorsInfo info;
  const NdArray* array;
};

const SafetensorsType& type_of(const SafetensorsEntry& e) {
  const DType dtype = e.array.dtype();
  if (dtype == DType::none)
    fail(ErrorCode::kDType, kWrite, "'", e.name, "' is no array: give it a dtype");
  if (e.dtype_name.empty()) {
    const SafetensorsType* own = safetensors_type(dtype);
    if (own == nullptr) {
      fail(ErrorCode::kDType, kWrite, "'", e.name, "': the format has no ", dtype_name(dtype),
           ": write .npz, or convert it (complex128 to complex64, or two float64 arrays)");
    }
    return *own;
  }
  const SafetensorsType* named = safetensors_type(e.dtype_name);
  const bool fits = named != nullptr && (named->dtype == dtype ||
                                         (is_safetensors_float8(*named) && dtype == DType::uint8));
  if (!fits) {
    fail(ErrorCode::kDType, kWrite, "'", e.name, "': ", dtype_name(dtype),
         " cannot be written as '", e.dtype_name,
         "': only the bits of a uint8 array, as F8_E4M3, F8_E5M2, F8_E8M0, F8_E4M3FNUZ or "
         "F8_E5M2FNUZ");
  }
  return *named;
}

void check_text(const std::string& what, const std::string& text) {
  if (!is_utf8(text)) fail(ErrorCode::kInvalidArgument, kWrite, what, " is not valid UTF-8");
}

void check_name(const SafetensorsEntry& e, std::set<std::string>* names) {
  check_text(concat_text("the name '", e.name, "'"), e.name);
  if (e.name.empty() || e.name == "__metadata__") {
    fail(ErrorCode::kInvalidArgument, kWrite, "a tensor cannot be called '", e.name,
         "': give it another name");
  }
  if (!names->insert(e.name).second) {
    fail(ErrorCode::kInvalidArgument, kWrite, "two tensors are called '", e.name,
         "': names must differ");
  }
}

// In the order in which they are written, with their offsets.
std::vector<Planned> plan(const std::vector<SafetensorsEntry>& tensors) {
  std::set<std::string> names;
  std::vector<Planned> out;
  for (const SafetensorsEntry& e : tensors) {
    check_name(e, &names);
    SafetensorsInfo info;
    info.name = e.name;
    info.dtype_name = std::string(type_of(e).name);
    info.dtype = e.array.dtype();
    info.shape = e.array.shape();
    out.push_back({std::move(info), &e.array});
  }
  std::sort(out.begin(), out.end(), [](const Planned& a, const Planned& b) {
    return std::make_tuple(-item_size(a.info.dtype), std::string_view(a.info.name)) <
           std::make_tuple(-item_size(b.info.dtype), std::string_view(b.info.name));
  });
  uint64_t at = 0;
  for (Planned& p : out) {
    p.info.begin = at;
    at += static_cast<uint64_t>(p.array->nbytes());
    p.info.end = at;
  }
  return out;
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<SafetensorsEntry>& tensors,
                       const SafetensorsWriteOptions& options) {
  const std::vector<Planned> planned = plan(tensors);
  for (const auto& [key, value] : options.metadata) {
    check_text(concat_text("the metadata's key '", key, "'"), key);
    check_text(concat_text("the metadata's value of '", key, "'"), value);
  }
  std::vector<SafetensorsInfo> infos;
  infos.reserve(planned.size());
  for (const Planned& p : planned) infos.push_back(p.info);
  AtomicFile file(kWrite, path);
  const std::string header = safetensors_header_text(infos, options.metadata);
  file.write(header);
  if (options.on_progress)
    file.report_to([&](uint64_t size) { options.on_progress(size - header.size()); });
  for (const Planned& p : planned) {
    // A copy makes any non-zero byte of a bool 1, as the format wants it.
    const NdArray dense = p.info.dtype == DType::bool_ ? p.array->copy() : p.array->contiguous();
    file.write(std::span(dense.data(), static_cast<size_t>(dense.nbytes())));
  }
  file.commit();
}

}  // namespace tenon::interop
