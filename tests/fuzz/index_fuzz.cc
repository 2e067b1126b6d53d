// Any bytes as the text of an index, used on a small tensor: an Error, or a result whose elements
// are the tensor's, and that index_put_() writes where index() reads.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tenon/ops/index_text.h"
#include "tenon/tenon.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 200) return 0;  // a few lists that broadcast make a large result
  tenon::Tensor x = tenon::reshape(tenon::arange(1, 25), {2, 3, 4});
  try {
    const auto items = tenon::parse_index({reinterpret_cast<const char*>(data), size});
    const tenon::Tensor y = tenon::index(x, items).contiguous();
    for (int64_t i = 0; i < y.size(); ++i) {
      const int64_t value = y.data<int64_t>()[i];
      if (value < 1 || value > 24) std::abort();
    }
    tenon::index_put_(x, items, 0);
    const tenon::Tensor z = tenon::index(x, items).contiguous();
    for (int64_t i = 0; i < z.size(); ++i) {
      if (z.data<int64_t>()[i] != 0) std::abort();
    }
  } catch (const tenon::Error&) {
  }
  return 0;
}
