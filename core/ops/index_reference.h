// NumPy's indexing by its definition, one element at a time: the judge of index() and index_put_().
// Shares no code with them: an index is described by plain lists, and made into Tenon's items only
// to be handed over.
#ifndef TENON_OPS_INDEX_REFERENCE_H_
#define TENON_OPS_INDEX_REFERENCE_H_

#include <optional>
#include <random>
#include <vector>

#include "tenon/ops/index.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {

using Counts = std::vector<int64_t>;

// One item of an index, as data.
struct PlainItem {
  enum Kind { kInteger, kSlice, kNewAxis, kEllipsis, kIntegers, kMask } kind;
  int64_t integer = 0;
  Slice slice = {};
  Counts shape = {}, values = {};  // of integers or a mask
};
using PlainIndex = std::vector<PlainItem>;

inline int64_t product(const Counts& shape) {
  int64_t n = 1;
  for (int64_t size : shape) n *= size;
  return n;
}
// Calls f with every position of `shape`, in row-major order.
template <class F>
void for_each_position(const Counts& shape, F f) {
  Counts at(shape.size(), 0);
  for (int64_t n = product(shape); n > 0; --n) {
    f(at);
    for (size_t k = at.size(); k-- > 0;) {
      if (++at[k] < shape[k]) break;
      at[k] = 0;
    }
  }
}
inline int64_t flat_position(const Counts& shape, const Counts& at) {
  int64_t flat = 0;
  for (size_t k = 0; k < shape.size(); ++k) flat = flat * shape[k] + at[k];
  return flat;
}

struct Selected {
  Counts shape;   // of the result
  Counts source;  // per element of the result, its flat position in x
};

// Nothing if NumPy refuses the index.
inline std::optional<Selected> reference_index(const Counts& shape, const PlainIndex& items) {
  // 1. What each item does: lists of integers for axes ("picked"), plain runs, new axes.
  struct Step {
    char kind;  // 'p' picked, 'r' run, 'n' new axis
    size_t axis;
    Counts list_shape, list;  // p
    Counts run;               // r: the positions, one after the other
    bool number = false;      // p: of an integer, which is always looked at
  };
  std::vector<Step> steps;
  size_t used = 0;
  int ellipses = 0;
  for (const PlainItem& i : items) {
    used += i.kind == PlainItem::kMask
                ? i.shape.size()
                : i.kind != PlainItem::kNewAxis && i.kind != PlainItem::kEllipsis;
    ellipses += i.kind == PlainItem::kEllipsis;
  }
  if (used > shape.size() || ellipses > 1) return std::nullopt;
  size_t axis = 0;
  const auto whole = [&](size_t count) {
    for (; count > 0; --count, ++axis) {
      Counts run;
      for (int64_t i = 0; i < shape[axis]; ++i) run.push_back(i);
      steps.push_back({'r', axis, {}, {}, run});
    }
  };
  std::string pattern;  // 'a' advanced, 's' anything between: NumPy's rule asks whether the a's are
                        // together
  for (const PlainItem& i : items) {
    const bool advanced = i.kind == PlainItem::kIntegers || i.kind == PlainItem::kMask ||
                          i.kind == PlainItem::kInteger;
    pattern += advanced ? 'a' : 's';
    switch (i.kind) {
      case PlainItem::kInteger:
        steps.push_back({'p', axis++, {}, {i.integer}, {}, true});
        break;
      case PlainItem::kIntegers:
        steps.push_back({'p', axis++, i.shape, i.values, {}});
        break;
      case PlainItem::kMask: {
        std::vector<Counts> columns(i.shape.size());
        int64_t count = 0;
        for (size_t k = 0; k < i.shape.size(); ++k) {
          if (shape[axis + k] != i.shape[k] && i.shape[k] != 0) return std::nullopt;
        }
        for_each_position(i.shape, [&](const Counts& at) {
          if (!i.values[static_cast<size_t>(flat_position(i.shape, at))]) return;
          ++count;
          for (size_t k = 0; k < at.size(); ++k) columns[k].push_back(at[k]);
        });
        for (const Counts& column : columns) steps.push_back({'p', axis++, {count}, column, {}});
        if (i.shape.empty())
          steps.push_back(
              {'p', SIZE_MAX, {i.values[0] ? 1 : 0}, Counts(i.values[0] ? 1 : 0, 0), {}});
        break;
      }
      case PlainItem::kNewAxis:
        steps.push_back({'n', 0, {}, {}, {}});
        break;
      case PlainItem::kEllipsis:
        whole(shape.size() - used);
        break;
      case PlainItem::kSlice: {
        const int64_t size = shape[axis], step = i.slice.step == kUnset ? 1 : i.slice.step;
        if (step == 0) return std::nullopt;
        // By Python's definition of range(*slice.indices(size)).
        const auto bound = [&](int64_t value, int64_t unset) {
          if (value == kUnset) return unset;
          if (value < 0) value += size;
          return step > 0 ? std::clamp<int64_t>(value, 0, size)
                          : std::clamp<int64_t>(value, -1, size - 1);
        };
        const int64_t first = bound(i.slice.start, step > 0 ? 0 : size - 1);
        const int64_t last = bound(i.slice.stop, step > 0 ? size : -1);
        Counts run;
        for (int64_t p = first; step > 0 ? p < last : p > last; p += step) run.push_back(p);
        steps.push_back({'r', axis++, {}, {}, run});
        break;
      }
    }
  }
  whole(shape.size() - axis);

  // 2. The shape that the lists broadcast to.
  Counts common;
  for (const Step& s : steps) {
    if (s.kind != 'p') continue;
    while (common.size() < s.list_shape.size()) common.insert(common.begin(), 1);
    for (size_t k = 1; k <= s.list_shape.size(); ++k) {
      int64_t& size = common[common.size() - k];
      const int64_t other = s.list_shape[s.list_shape.size() - k];
      if (size != other && size != 1 && other != 1) return std::nullopt;
      if (size == 1) size = other;
    }
  }
  // 3. Bounds. Lists that were broadcast away are not looked at.
  for (Step& s : steps) {
    if (s.kind != 'p' || s.axis == SIZE_MAX) continue;
    for (int64_t& value : s.list) {
      const bool outside = value < -shape[s.axis] || value >= shape[s.axis];
      if (outside && (product(common) > 0 || s.number)) return std::nullopt;
      if (value < 0) value += shape[s.axis];
    }
  }
  // 4. The result's axes: lists together stand where the first stands, else in front.
  const size_t first = pattern.find('a'), last = pattern.rfind('a');
  const bool together = first == std::string::npos ||
                        pattern.substr(first, last - first + 1).find('s') == std::string::npos;
  Selected out;
  size_t position = std::string::npos;
  std::vector<const Step*> behind;  // per axis of the result that is no list's
  if (!together) position = 0;
  for (const Step& s : steps) {
    if (s.kind == 'p') {
      if (position == std::string::npos) position = out.shape.size();
      continue;
    }
    out.shape.push_back(s.kind == 'n' ? 1 : static_cast<int64_t>(s.run.size()));
    behind.push_back(&s);
  }
  if (position == std::string::npos) position = 0;
  out.shape.insert(out.shape.begin() + static_cast<ptrdiff_t>(position), common.begin(),
                   common.end());

  // 5. Element by element.
  for_each_position(out.shape, [&](const Counts& at) {
    Counts from(shape.size(), 0);
    const Counts of_lists(at.begin() + static_cast<ptrdiff_t>(position),
                          at.begin() + static_cast<ptrdiff_t>(position + common.size()));
    for (const Step& s : steps) {
      if (s.kind != 'p' || s.axis == SIZE_MAX) continue;
      Counts own(s.list_shape.size());
      for (size_t k = 0; k < own.size(); ++k) {
        own[k] = s.list_shape[k] == 1 ? 0 : of_lists[common.size() - own.size() + k];
      }
      from[s.axis] = s.list[static_cast<size_t>(flat_position(s.list_shape, own))];
    }
    for (size_t k = 0; k < behind.size(); ++k) {
      const size_t at_axis = k < position ? k : k + common.size();
      if (behind[k]->kind == 'r')
        from[behind[k]->axis] = behind[k]->run[static_cast<size_t>(at[at_axis])];
    }
    out.source.push_back(flat_position(shape, from));
  });
  return out;
}

// The same index for Tenon.
inline std::vector<IndexItem> items_of(const PlainIndex& items, DType integers,
                                       Layout layout = Layout::kContiguous) {
  std::vector<IndexItem> out;
  for (const PlainItem& i : items) {
    switch (i.kind) {
      case PlainItem::kInteger:
        out.emplace_back(i.integer);
        break;
      case PlainItem::kSlice:
        out.emplace_back(i.slice);
        break;
      case PlainItem::kNewAxis:
        out.emplace_back(Index::new_axis());
        break;
      case PlainItem::kEllipsis:
        out.emplace_back(Index::ellipsis());
        break;
      default:
        out.emplace_back(make_as(layout, i.kind == PlainItem::kMask ? DType::bool_ : integers,
                                 Dims(i.shape), Reals(i.values.begin(), i.values.end())));
    }
  }
  return out;
}

// Random indices, now and then wrong ones.
class IndexMaker {
 public:
  explicit IndexMaker(uint64_t seed) : random_(seed) {}

  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  Counts shape() {
    Counts out;
    for (int64_t k = below(5); k > 0; --k) out.push_back(chance(4) ? 0 : 1 + below(4));
    return out;
  }
  // `negative`: integers may be negative.
  PlainIndex index(const Counts& shape, bool negative = true) {
    PlainIndex items;
    Counts common;
    for (int64_t k = 1 + below(2); k > 0; --k) common.push_back(1 + below(3));
    if (chance(4)) common.back() = 0;
    const int wrong = chance(10) ? 10 : 0;
    size_t axis = 0;
    bool ellipsis = false;
    for (int64_t k = below(static_cast<int64_t>(shape.size()) + 3); k > 0; --k) {
      const int64_t what = below(20);
      if (what == 0) {
        items.push_back({.kind = PlainItem::kNewAxis});
      } else if (what == 1 && !ellipsis) {
        items.push_back({.kind = PlainItem::kEllipsis});
        ellipsis = true;
      } else if (what == 2) {
        items.push_back({.kind = PlainItem::kMask, .values = {chance(70) ? 1 : 0}});
      } else if (axis < shape.size()) {
        items.push_back(item(what, shape, &axis, common, wrong, negative));
      }
    }
    return items;
  }

 private:
  PlainItem item(int64_t what, const Counts& shape, size_t* axis, const Counts& common, int wrong,
                 bool negative) {
    const int64_t size = shape[*axis];
    const auto position = [&] {
      if (size == 0 || chance(wrong)) return size + below(2);
      return negative ? below(2 * size) - size : below(size);
    };
    if (what < 8) {
      ++*axis;
      const auto maybe = [&] { return chance(40) ? kUnset : below(11) - 5; };
      Slice s{maybe(), maybe(), kUnset};
      if (chance(50)) s.step = chance(wrong) ? 0 : (chance(50) ? 1 : -1) * (1 + below(3));
      return {.kind = PlainItem::kSlice, .slice = s};
    }
    if (what < 10) {
      ++*axis;
      return {.kind = PlainItem::kInteger, .integer = position()};
    }
    PlainItem out{.kind = what < 16 ? PlainItem::kIntegers : PlainItem::kMask};
    if (out.kind == PlainItem::kIntegers) {
      ++*axis;
      for (size_t k = static_cast<size_t>(below(static_cast<int64_t>(common.size()) + 1));
           k < common.size(); ++k)
        out.shape.push_back(chance(20) ? 1 : chance(wrong) ? common[k] + 1 : common[k]);
      for (int64_t n = product(out.shape); n > 0; --n) out.values.push_back(position());
      return out;
    }
    const int percent = chance(50) ? 50 : chance(50) ? 10 : 95;
    for (int64_t n = 1 + below(static_cast<int64_t>(shape.size() - *axis)); n > 0; --n) {
      out.shape.push_back(shape[(*axis)++] + (chance(wrong) ? 1 : 0));
    }
    for (int64_t n = product(out.shape); n > 0; --n) out.values.push_back(chance(percent));
    return out;
  }

  std::mt19937_64 random_;
};

}  // namespace tenon

#endif  // TENON_OPS_INDEX_REFERENCE_H_
