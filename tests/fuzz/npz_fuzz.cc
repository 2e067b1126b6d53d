// Any bytes as an .npz archive: every call ends in an Error or in an array no larger than the
// limit.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "tenon/base/error.h"
#include "tenon/interop/npz.h"

namespace {

constexpr uint64_t kLimit = 1 << 20;

template <class Call>
void tolerate_errors(Call&& call) {
  try {
    call();
  } catch (const tenon::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tolerate_errors([&] {
    const tenon::interop::NpzReader reader(std::as_bytes(std::span(data, size)),
                                           {.max_bytes = kLimit});
    for (const std::string& name : reader.names()) {
      if (!reader.contains(name)) std::abort();
      tolerate_errors([&] { reader.header(name); });
      tolerate_errors([&] {
        const tenon::interop::NdArray array = reader.read(name);
        if (static_cast<uint64_t>(array.nbytes()) > kLimit || !array.copy().is_c_contiguous())
          std::abort();
      });
    }
  });
  return 0;
}
