#include "tools/convert_files.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "tenon/interop/npz.h"
#include "tenon/interop/safetensors.h"

namespace tenon::tools {
namespace {

using interop::NdArray;

uint64_t bytes_of(DType dtype, const Dims& shape) {
  return static_cast<uint64_t>(interop::checked_nbytes("convert", dtype, shape));
}

ArrayFile open_npy(const std::string& path, DType void_as) {
  const NdArray array = interop::map_npy(path, {.void_as = void_as});
  NamedArray out;
  out.name = std::filesystem::path(path).stem().string();
  out.dtype = array.dtype();
  out.dtype_name = std::string(dtype_name(array.dtype()));
  out.shape = array.shape();
  out.bytes = static_cast<uint64_t>(array.nbytes());
  out.load = [array] { return NdArray(array); };
  return {FileFormat::kNpy, {std::move(out)}, {}};
}

ArrayFile open_npz(const std::string& path, DType void_as) {
  const auto reader =
      std::make_shared<const interop::NpzReader>(path, interop::NpzReadOptions{.void_as = void_as});
  ArrayFile file{FileFormat::kNpz, {}, {}};
  for (const std::string& name : reader->names()) {
    const interop::NpyHeader header = reader->header(name);
    NamedArray out;
    out.name = name;
    out.dtype = header.dtype;
    out.dtype_name = std::string(dtype_name(header.dtype));
    out.shape = header.shape;
    out.bytes = bytes_of(header.dtype, header.shape);
    // read() verifies the checksum, which a conversion should not lose.
    out.load = [reader, name] { return reader->read(name); };
    file.arrays.push_back(std::move(out));
  }
  return file;
}

ArrayFile open_safetensors(const std::string& path) {
  const auto reader = std::make_shared<const interop::SafetensorsReader>(
      path, interop::SafetensorsReadOptions{.float8_as_uint8 = true, .allow_misaligned = true});
  ArrayFile file{FileFormat::kSafetensors, {}, reader->metadata()};
  for (const std::string& name : reader->names()) {
    const interop::SafetensorsInfo& info = reader->info(name);
    NamedArray out;
    out.name = name;
    out.dtype = info.dtype;
    out.dtype_name =
        info.dtype == DType::none ? info.dtype_name : std::string(dtype_name(info.dtype));
    out.shape = info.shape;
    out.bytes = info.nbytes();
    out.float8 = info.dtype == DType::none && info.dtype_name.starts_with("F8");
    out.load = [reader, name] { return reader->map(name); };
    file.arrays.push_back(std::move(out));
  }
  return file;
}

}  // namespace

FileFormat format_of(const std::string& path) {
  if (path.ends_with(".npy")) return FileFormat::kNpy;
  if (path.ends_with(".npz")) return FileFormat::kNpz;
  if (path.ends_with(".safetensors")) return FileFormat::kSafetensors;
  fail(ErrorCode::kInvalidArgument, "convert", "'", path,
       "' has none of the extensions .npy, .npz, .safetensors, which say what a file is");
}

std::string_view format_name(FileFormat format) {
  return format == FileFormat::kNpy ? ".npy" : format == FileFormat::kNpz ? ".npz" : ".safetensors";
}

ArrayFile open_arrays(const std::string& path, DType void_as) {
  switch (format_of(path)) {
    case FileFormat::kNpy:
      return open_npy(path, void_as);
    case FileFormat::kNpz:
      return open_npz(path, void_as);
    case FileFormat::kSafetensors:
      return open_safetensors(path);
  }
  __builtin_unreachable();
}

void check_holds(FileFormat format, size_t arrays) {
  if (format != FileFormat::kNpy || arrays == 1) return;
  fail(ErrorCode::kInvalidArgument, "convert", "a .npy file holds one array, not ", arrays,
       ": choose one with --name, or write .npz or .safetensors");
}

void save_arrays(const std::string& path, const std::vector<OutputArray>& arrays,
                 const OutputOptions& options) {
  const FileFormat format = format_of(path);
  check_holds(format, arrays.size());
  if (format == FileFormat::kNpy) {
    return interop::write_npy(path, arrays[0].array, {.on_progress = options.on_progress});
  }
  if (format == FileFormat::kNpz) {
    std::vector<interop::NpzEntry> entries;
    for (const OutputArray& a : arrays) entries.push_back({a.name, a.array});
    return interop::write_npz(
        path, entries, {.compressed = options.compressed, .on_progress = options.on_progress});
  }
  std::vector<interop::SafetensorsEntry> entries;
  for (const OutputArray& a : arrays) entries.push_back({a.name, a.array, a.float8_name});
  interop::write_safetensors(path, entries,
                             {.metadata = options.metadata, .on_progress = options.on_progress});
}

}  // namespace tenon::tools
