#include "tests/plugins/simdev/footprint.h"

#include <algorithm>
#include <utility>

#include "tenon/abi/tenon_plugin_kit.h"

namespace simdev {
namespace {

// Beyond this many bytes between the first and the last, overlap is not looked for (a bit for each
// byte is kept).
constexpr uint64_t kLargestSearch = 16u << 20;

// Signed and wide: offsets and strides come from the code under test.
constexpr __int128 kBeyond = __int128{1} << 80;

struct Range {
  __int128 begin, end;  // bytes of the buffer
};

Range Span(const Footprint& f) {
  Range range = {static_cast<__int128>(f.offset), static_cast<__int128>(f.offset)};
  for (size_t d = 0; d < f.sizes.size(); ++d) {
    const __int128 elements = static_cast<__int128>(f.sizes[d] - 1) * f.strides[d];
    const __int128 reach = std::clamp(elements, -kBeyond, kBeyond) * f.item;
    (reach < 0 ? range.begin : range.end) += reach;
  }
  range.end += f.item;
  return range;
}

template <class Visit>
void VisitItems(const Footprint& f, Visit&& visit) {  // with the byte offset of each
  std::vector<int64_t> at(f.sizes.size(), 0);
  for (;;) {
    auto byte = static_cast<int64_t>(f.offset);
    for (size_t d = 0; d < at.size(); ++d) byte += at[d] * f.strides[d] * f.item;
    visit(byte);
    size_t d = at.size();
    while (d > 0 && ++at[d - 1] == f.sizes[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

bool ShareBytes(const Footprint& a, const Footprint& b) {
  const Range x = Span(a), y = Span(b);
  if (a.buffer != b.buffer || x.end <= y.begin || y.end <= x.begin) return false;
  const auto begin = static_cast<int64_t>(std::min(x.begin, y.begin));
  const auto end = static_cast<int64_t>(std::max(x.end, y.end));
  if (static_cast<uint64_t>(end - begin) > kLargestSearch) return false;
  std::vector<bool> used(static_cast<size_t>(end - begin), false);
  VisitItems(a, [&](int64_t byte) {
    for (uint32_t i = 0; i < a.item; ++i) used[static_cast<size_t>(byte - begin) + i] = true;
  });
  bool shared = false;
  VisitItems(b, [&](int64_t byte) {
    for (uint32_t i = 0; i < b.item; ++i)
      shared = shared || used[static_cast<size_t>(byte - begin) + i];
  });
  return shared;
}

bool SameItems(const Footprint& a, const Footprint& b) {
  return a.buffer == b.buffer && a.offset == b.offset && a.item == b.item && a.sizes == b.sizes &&
         a.strides == b.strides;
}

}  // namespace

Footprint MakeFootprint(std::string name, TenonBuffer buffer, uint64_t buffer_bytes,
                        uint64_t offset, uint32_t dtype, uint32_t rank, const int64_t* sizes,
                        const int64_t* strides) {
  Footprint f;
  f.buffer = buffer;
  f.buffer_bytes = buffer_bytes;
  f.offset = offset;
  f.item = tenon_dtype_size(dtype);
  f.name = std::move(name);
  for (uint32_t d = 0; d < rank; ++d) {
    if (sizes[d] == 1 || strides[d] == 0) continue;
    f.sizes.push_back(sizes[d]);
    f.strides.push_back(strides[d]);
  }
  return f;
}

std::string CheckBounds(const Footprint& f) {
  const Range range = Span(f);
  if (range.begin >= 0 && range.end <= static_cast<__int128>(f.buffer_bytes)) return "";
  return f.name + " names bytes " + std::to_string(static_cast<long long>(range.begin)) + " to " +
         std::to_string(static_cast<long long>(range.end)) + " of a buffer of " +
         std::to_string(f.buffer_bytes);
}

std::string CheckAliasing(const std::vector<Footprint>& all, size_t n_inputs, bool may_alias) {
  for (size_t o = n_inputs; o < all.size(); ++o) {
    for (size_t i = 0; i < o; ++i) {
      const bool input = i < n_inputs;
      if (input && may_alias && SameItems(all[i], all[o])) continue;
      if (ShareBytes(all[i], all[o])) {
        return all[o].name + " overlaps " + all[i].name +
               (input && SameItems(all[i], all[o]) ? " without MAY_ALIAS" : "");
      }
    }
  }
  return "";
}

}  // namespace simdev
