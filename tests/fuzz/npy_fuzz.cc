// Any bytes as an .npy file: an Error or an array that can be read, copied and written to the same
// values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tenon/base/error.h"
#include "tenon/interop/npy.h"

namespace {

using tenon::interop::NdArray;

void check(bool condition) {
  if (!condition) std::abort();
}

void read(std::span<const std::byte> bytes, const tenon::interop::NpyReadOptions& options) {
  NdArray array;
  try {
    array = tenon::interop::read_npy(bytes, options);
  } catch (const tenon::Error&) {
    return;
  }
  check(array.nbytes() <= static_cast<int64_t>(bytes.size()));
  const NdArray dense = array.contiguous();
  check(dense.is_c_contiguous() && dense.shape() == array.shape());
  if (tenon::dtype_info(array.dtype()).numpy_descr.empty()) return;  // cannot be written
  const tenon::interop::NpyImage image = tenon::interop::npy_image("fuzz", array, {});
  std::string file = image.header;
  for (std::byte b : image.data_bytes()) file += static_cast<char>(b);
  const NdArray again =
      tenon::interop::read_npy(std::as_bytes(std::span(file.data(), file.size())));
  check(again.dtype() == array.dtype() && again.shape() == array.shape());
  const NdArray again_dense = again.contiguous();
  check(dense.nbytes() == 0 ||
        std::memcmp(dense.data(), again_dense.data(), static_cast<size_t>(dense.nbytes())) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  read(bytes, {});
  read(bytes, {.void_as = tenon::DType::bfloat16,
               .max_header_bytes = 1 << 30,
               .allow_trailing_bytes = true});
  return 0;
}
