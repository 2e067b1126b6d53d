// Any bytes as a .safetensors file: every call ends in an Error or in arrays inside the bytes,
// which together cover the data exactly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "tenon/base/error.h"
#include "tenon/interop/safetensors.h"

namespace {

template <class Call>
void tolerate_errors(Call&& call) {
  try {
    call();
  } catch (const tenon::Error&) {
  }
}

void require(bool holds) {
  if (!holds) std::abort();
}

void read(std::span<const std::byte> bytes, const tenon::interop::SafetensorsReadOptions& options) {
  const tenon::interop::SafetensorsReader reader(bytes, options);
  uint64_t at = 0;
  for (const std::string& name : reader.names()) {
    const tenon::interop::SafetensorsInfo& info = reader.info(name);
    require(info.begin == at && info.end >= at && !name.empty());
    at = info.end;
    tolerate_errors([&] {
      const tenon::interop::NdArray array = reader.map(name);
      require(array.read_only() && static_cast<uint64_t>(array.nbytes()) == info.nbytes());
      require(array.data() >= bytes.data() &&
              array.data() + array.nbytes() <= bytes.data() + bytes.size());
      require(array.copy().is_c_contiguous());
      require(reader.read(name).nbytes() == array.nbytes());
    });
  }
  require(at <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // At an address that a file would have, and at an odd one.
  const std::unique_ptr<std::byte[]> shifted(new std::byte[size + 1]);
  for (size_t i = 0; i < size; ++i) shifted[i + 1] = std::byte(data[i]);
  tolerate_errors([&] { read(std::as_bytes(std::span(data, size)), {}); });
  tolerate_errors([&] {
    read({shifted.get() + 1, size}, {.float8_as_uint8 = true, .allow_misaligned = true});
  });
  return 0;
}
