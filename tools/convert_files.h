// Named arrays of a file in any of the formats, for convert: read without a copy where the format
// allows, written by extension.
//
//   ArrayFile file = open_arrays("weights.npz", {});
//   for (const NamedArray& a : file.arrays) a.name, a.dtype_name, a.load()
//
// Nothing but headers is read before load().
#ifndef TENON_TOOLS_CONVERT_FILES_H_
#define TENON_TOOLS_CONVERT_FILES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tenon/interop/ndarray.h"
#include "tenon/interop/npy.h"

namespace tenon::tools {

enum class FileFormat { kNpy, kNpz, kSafetensors };
// By the extension; throws kInvalidArgument naming those that there are.
FileFormat format_of(const std::string& path);
std::string_view format_name(FileFormat format);

struct NamedArray {
  std::string name;
  DType dtype = DType::none;  // none: a type that Tenon has not
  std::string dtype_name;     // the file's own name for it
  Dims shape;
  uint64_t bytes = 0;
  bool float8 = false;  // of a kind that Tenon has no dtype for
  // The elements, mapped where possible; such float8 ones as uint8 of the same bits.
  std::function<interop::NdArray()> load;
};

struct ArrayFile {
  FileFormat format;
  std::vector<NamedArray> arrays;
  std::map<std::string, std::string> metadata;
};
ArrayFile open_arrays(const std::string& path, DType void_as);

// What is written: `float8_name` is the safetensors name of the bits in a uint8 array, or empty.
struct OutputArray {
  std::string name;
  interop::NdArray array;
  std::string float8_name;
};
struct OutputOptions {
  bool compressed = false;
  std::map<std::string, std::string> metadata;
  std::function<void(uint64_t written)> on_progress;
};
// Throws kInvalidArgument if the format cannot hold so many arrays: .npy takes exactly one.
void check_holds(FileFormat format, size_t arrays);
void save_arrays(const std::string& path, const std::vector<OutputArray>& arrays,
                 const OutputOptions& options);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_CONVERT_FILES_H_
