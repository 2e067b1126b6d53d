// The generated kernels, compiled for this machine, against the kit's interpreter: this is how a
// wrong index, a wrong cast or a wrong corner is found without a GPU. What CUDA's own functions and
// its compiler do is not shown.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <thread>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/backends/codegen/launch_words.h"
#include "tests/cuda/host_prelude.h"
#include "tests/cuda/samples.h"

namespace host_kernels {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wbool-compare"
#include "tests/cuda/host_kernels.inc"
#pragma GCC diagnostic pop
}  // namespace host_kernels

namespace {

using tenon_codegen::KernelSource;
using tenon_codegen::LaunchWords;

// Runs `call` as a launch of `groups` groups of `locals` work items.
void Run(void (*call)(void* const*), void* const* arguments, int groups, int locals) {
  for (int group = 0; group < groups; ++group) {
    host_kernels::Barrier barrier(locals);
    std::vector<std::thread> threads;
    for (int local = 0; local < locals; ++local) {
      const auto item = [&barrier, call, arguments, group, groups, local, locals] {
        host_kernels::work_item = {group, groups, local, locals, &barrier};
        call(arguments);
      };
      if (locals == 1) {
        item();
      } else {
        threads.emplace_back(item);
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
}

using Bytes = std::vector<unsigned char>;

void Put(Bytes& bytes, size_t element, uint32_t dtype, uint64_t bits) {
  const size_t item = tenon_dtype_size(dtype);
  std::memcpy(bytes.data() + element * item, &bits, item);
}

// Small numbers, every bit pattern, and the corners.
Bytes RandomElements(std::minstd_rand& random, uint32_t dtype, size_t count, bool specials) {
  Bytes bytes(count * tenon_dtype_size(dtype));
  const double corners[] = {0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 0.5, 1.5, 2.5, 127.5,
                            -128.5, 255.5, 65504.0, 65520.0, 1e-7, 3e9, -3e9, 1e19, 1e-40, 1e38,
                            // of which two roundings make another f16 or bf16 than one
                            1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40};
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
    Put(bytes, i, dtype, value);
  }
  return bytes;
}

bool Agree(uint32_t dtype, uint64_t a, uint64_t b, bool exact) {
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

struct Layout {
  std::vector<int64_t> sizes;
  uint32_t reduce_axes;
  bool awkward;  // strides: reversed axes, gaps, broadcast inputs
};

class Case {
 public:
  Case(const Sample& sample, const Layout& layout, unsigned seed)
      : sample_(sample),
        source_(tenon_codegen::EmitKernel(sample.text->desc, sample.name)),
        layout_(layout) {
    std::minstd_rand random(seed);
    for (size_t k = 0; k < source_.operand_dtypes.size(); ++k) AddOperand(random, k);
    for (uint32_t s = 0; s < source_.n_scalars; ++s) scalars_.push_back(random() % 3);
    launch_.size = sizeof launch_;
    launch_.rank = static_cast<uint32_t>(layout.sizes.size());
    launch_.reduce_axes = layout.reduce_axes;
    launch_.n_operands = static_cast<uint32_t>(operands_.size());
    launch_.n_scalars = source_.n_scalars;
    launch_.index_base = 5;
    int64_t stride = 1;
    for (size_t d = layout.sizes.size(); d-- > 0; stride *= layout.sizes[d]) {
      launch_.sizes[d] = layout.sizes[d];
      launch_.index_strides[d] = stride;
    }
    launch_.operands = operands_.data();
    launch_.scalars = scalars_.data();
  }

  void Check(const host_kernels::HostKernel& host) {
    TenonKernel interpreted = 0;
    TenonError error = {};
    error.size = sizeof error;
    ASSERT_EQ(tenon_interpreter_create(&sample_.text->desc, &interpreted, &error), TENON_OK)
        << sample_.name << error.message;
    Bind(buffers_);
    ASSERT_EQ(tenon_interpreter_launch(interpreted, &launch_, nullptr, &error), TENON_OK)
        << sample_.name << error.message;
    tenon_interpreter_destroy(interpreted);

    LaunchWords words = PackLaunch(source_, launch_);
    if (!source_.reduces) {
      if (words.outer_rank <= 1) Compare(host.simple, words, 2, 3);
      Compare(host.general, words, 1, 1);
      return;
    }
    Compare(host.simple, words, 3, 1);
    Compare(host.general, words, 2, 4);
  }

 private:
  void AddOperand(std::minstd_rand& random, size_t k) {
    const uint32_t dtype = source_.operand_dtypes[k];
    const bool input = k < source_.n_inputs;
    TenonOperand operand = {};
    operand.dtype = dtype;
    int64_t step = layout_.awkward ? 2 : 1, last = 0, first = 0;
    for (size_t d = layout_.sizes.size(); d-- > 0;) {
      const bool skip =
          input ? layout_.awkward && random() % 4 == 0 : (layout_.reduce_axes >> d & 1u) != 0;
      if (skip) continue;  // broadcast, or reduced
      const bool reversed = layout_.awkward && random() % 2 == 0;
      operand.strides[d] = reversed ? -step : step;
      (reversed ? first : last) += step * (layout_.sizes[d] - 1);
      step *= layout_.sizes[d] + (layout_.awkward ? 1 : 0);
    }
    operand.offset = static_cast<uint64_t>(first + 3) * tenon_dtype_size(dtype);
    operands_.push_back(operand);
    buffers_.push_back(
        RandomElements(random, dtype, static_cast<size_t>(first + last + 8), sample_.specials));
    before_.push_back(buffers_.back());
  }

  void Bind(std::vector<Bytes>& buffers) {
    for (size_t k = 0; k < operands_.size(); ++k)
      operands_[k].buffer = reinterpret_cast<TenonBuffer>(buffers[k].data());
  }

  // `buffers_` holds what the interpreter made of `before_`.
  void Compare(void (*call)(void* const*), LaunchWords& words, int groups, int locals) {
    std::vector<Bytes> got = before_;
    std::vector<void*> pointers, arguments;
    for (Bytes& bytes : got) pointers.push_back(bytes.data());
    for (void*& pointer : pointers) arguments.push_back(&pointer);
    arguments.push_back(words.words.data());
    Run(call, arguments.data(), groups, locals);
    for (size_t k = 0; k < got.size(); ++k) {
      const uint32_t dtype = source_.operand_dtypes[k];
      const size_t item = tenon_dtype_size(dtype);
      for (size_t i = 0; i * item < got[k].size(); ++i) {
        uint64_t is = 0, should = 0;
        std::memcpy(&is, got[k].data() + i * item, item);
        std::memcpy(&should, buffers_[k].data() + i * item, item);
        ASSERT_TRUE(Agree(dtype, is, should, sample_.exact))
            << sample_.name << " operand " << k << " (" << tenon_dtype_name(dtype) << ") element "
            << i << ": " << std::hex << is << ", should be " << should << " with " << std::dec
            << groups << " groups of " << locals;
      }
    }
  }

  const Sample& sample_;
  const KernelSource source_;
  const Layout layout_;
  std::vector<TenonOperand> operands_;
  std::vector<uint64_t> scalars_;
  std::vector<Bytes> buffers_, before_;
  TenonLaunch launch_ = {};
};

TEST(HostKernels, AgreeWithTheInterpreter) {
  const std::vector<Sample> samples = MakeSamples();
  ASSERT_EQ(samples.size(), std::size(host_kernels::kHostKernels));
  const std::vector<Layout> maps = {
      {{211}, 0, false}, {{}, 0, false}, {{3, 5, 7}, 0, true}, {{2, 1, 3, 2, 2, 1, 2, 3}, 0, true}};
  const std::vector<Layout> reductions = {
      {{97}, 1, false},   {{5, 7, 11}, 2, true}, {{5, 7, 11}, 5, true},
      {{4, 6}, 2, false}, {{3, 4}, 0, true},     {{2, 2, 2, 2, 2, 2, 2, 2}, 0xa5, true}};
  for (size_t i = 0; i < samples.size(); ++i) {
    ASSERT_EQ(samples[i].name, host_kernels::kHostKernels[i].name);
    unsigned seed = 1;
    for (const Layout& layout : samples[i].epilogue != nullptr ? reductions : maps) {
      Case(samples[i], layout, ++seed).Check(host_kernels::kHostKernels[i]);
      if (HasFatalFailure()) break;  // the next sample may say more
    }
  }
}

}  // namespace
