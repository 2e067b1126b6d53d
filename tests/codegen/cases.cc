#include "tests/codegen/cases.h"

#include <cmath>
#include <cstring>
#include <iterator>

#include "tenon/abi/tenon_kit_evaluate.h"

namespace {

const std::vector<Layout>& MapLayouts() {
  static const auto* const layouts = new std::vector<Layout>{
      {{211}, 0, Layout::kDense, 0},     // vectors and a rest
      {{64}, 0, Layout::kDense, 3},      // not aligned
      {{}, 0, Layout::kDense, 1},        //
      {{6, 9, 8}, 0, Layout::kRows, 0},  // rows of vectors, inputs repeated
      {{1000}, 0, Layout::kRows, 0},     // numbers with tensors
      {{3, 5, 7}, 0, Layout::kAwkward, 3}, {{2, 1, 3, 2, 2, 1, 2, 3}, 0, Layout::kAwkward, 3}};
  return *layouts;
}

const std::vector<Layout>& ReductionLayouts() {
  static const auto* const layouts =
      new std::vector<Layout>{{{97}, 1, Layout::kDense, 0},        // a group
                              {{2, 17000}, 2, Layout::kDense, 0},  // parts, then a merge
                              {{1000, 40}, 1, Layout::kDense, 0},  // parts by items, then a merge
                              {{5, 7, 11}, 2, Layout::kAwkward, 3},
                              {{5, 7, 11}, 5, Layout::kAwkward, 3},
                              {{4, 6}, 2, Layout::kDense, 1},
                              {{3, 4}, 0, Layout::kAwkward, 3},
                              {{2, 2, 2, 2, 2, 2, 2, 2}, 0xa5, Layout::kAwkward, 3}};
  return *layouts;
}

}  // namespace

std::vector<Layout> LayoutsOf(const Sample& sample, size_t number) {
  const auto& all = sample.epilogue != nullptr ? ReductionLayouts() : MapLayouts();
  return {all[number % all.size()], all[(number + 3) % all.size()]};
}

LaunchCase::LaunchCase(const tenon_codegen::KernelInfo& info, const Layout& layout, unsigned seed) {
  std::minstd_rand random(seed);
  for (size_t k = 0; k < info.operand_dtypes.size(); ++k)
    AddOperand(random, info.operand_dtypes[k], k < info.n_inputs, layout);
  for (uint32_t s = 0; s < info.n_scalars; ++s) scalars.push_back(random() % 2);
  launch.size = sizeof launch;
  launch.rank = static_cast<uint32_t>(layout.sizes.size());
  launch.reduce_axes = layout.reduce_axes;
  launch.n_operands = static_cast<uint32_t>(operands.size());
  launch.n_scalars = info.n_scalars;
  launch.index_base = 5;
  int64_t stride = 1;
  for (size_t d = layout.sizes.size(); d-- > 0; stride *= layout.sizes[d]) {
    launch.sizes[d] = layout.sizes[d];
    launch.index_strides[d] = stride;
  }
  launch.operands = operands.data();
  launch.scalars = scalars.data();
}

void LaunchCase::AddOperand(std::minstd_rand& random, uint32_t dtype, bool input,
                            const Layout& layout) {
  const bool awkward = layout.kind == Layout::kAwkward, dense = layout.kind == Layout::kDense;
  TenonOperand operand = {};
  operand.dtype = dtype;
  int64_t step = awkward ? 2 : 1, last = 0, first = 0;
  for (size_t d = layout.sizes.size(); d-- > 0;) {
    const bool repeats = input ? !dense && random() % 4 == 0 : (layout.reduce_axes >> d & 1u) != 0;
    if (repeats) continue;
    const bool reversed = awkward && random() % 2 == 0;
    operand.strides[d] = reversed ? -step : step;
    (reversed ? first : last) += step * (layout.sizes[d] - 1);
    step *= layout.sizes[d] + (awkward ? 1 : 0);
  }
  operand.offset = static_cast<uint64_t>(first + layout.first) * tenon_dtype_size(dtype);
  operands.push_back(operand);
  elements.push_back(static_cast<size_t>(first + last + layout.first + 5));
}

Bytes RandomElements(std::minstd_rand& random, uint32_t dtype, size_t count, bool specials) {
  const size_t item = tenon_dtype_size(dtype);
  Bytes bytes(count * item);
  const double corners[] = {0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 0.5, 1.5, 2.5, 127.5,
                            -128.5, 255.5, 65504.0, 65520.0, 1e-7, 3e9, -3e9, 1e19, 1e-40, 1e38,
                            // of which two roundings make another f16, bf16 or 8-bit float than one
                            1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-4 + 0x1p-40,
                            1 + 0x1p-3 + 0x1p-40,
                            // the last that are not too large for the 8-bit floats, and the first
                            464, 464.5, 57344, 61439, 61440, 0x1p-10, 0x1p-17};
  const uint64_t integer_corners[] = {0,  1,  ~uint64_t{0},      2,    7,    8,      31,
                                      63, 64, uint64_t{1} << 63, 0x80, 0x7f, 0x8000, 0x7fffffff};
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = uint64_t{random()} << 33 ^ uint64_t { random() } << 15 ^ random();
    uint64_t value = bits;
    if (dtype == TENON_BOOL) {
      value = bits & 1;
    } else if (tenon_dtype_is_float(dtype)) {
      const double x = specials && random() % 3 == 0
                           ? corners[random() % std::size(corners)]
                           : static_cast<double>(static_cast<int64_t>(bits)) * 0x1p-62;
      value = tenon_double_to_bits(dtype, x);
    } else if (random() % 3 == 0) {
      value = integer_corners[random() % std::size(integer_corners)];
    } else if (random() % 3 == 0) {
      value = bits % 9;
    }
    std::memcpy(bytes.data() + i * item, &value, item);
  }
  return bytes;
}

bool Agree(uint32_t dtype, uint64_t a, uint64_t b, bool exact) {
  if (tenon_dtype_is_float8(dtype)) {
    return Agree(TENON_F32, tenon_evaluate_cast(TENON_F32, dtype, a),
                 tenon_evaluate_cast(TENON_F32, dtype, b), exact);
  }
  if (!tenon_dtype_is_float(dtype)) return a == b;
  const double x = tenon_bits_to_double(dtype, a), y = tenon_bits_to_double(dtype, b);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  if (exact) return a == b;
  // Two units in the last place of the dtype; near a zero of the function, of 1.
  const double unit = dtype == TENON_F16    ? 0x1p-9
                      : dtype == TENON_BF16 ? 0x1p-6
                      : dtype == TENON_F32  ? 1e-6
                                            : 1e-12;
  return x == y || std::fabs(x - y) <= unit * std::max(1.0, std::fabs(y));
}
