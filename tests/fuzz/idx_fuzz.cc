// Any bytes as an IDX file, plain or gzip: an Error or an array no larger than the limit.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "tenon/base/error.h"
#include "tenon/interop/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kLimit = 1 << 20;
  try {
    const tenon::interop::NdArray array =
        tenon::interop::read_idx(std::as_bytes(std::span(data, size)), {.max_bytes = kLimit});
    if (static_cast<uint64_t>(array.nbytes()) > kLimit || !array.copy().is_c_contiguous())
      std::abort();
  } catch (const tenon::Error&) {
  }
  return 0;
}
