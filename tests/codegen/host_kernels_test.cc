// The generated kernels, compiled for this machine, against the kit's interpreter: this is how a
// wrong index, a wrong cast or a wrong corner is found without a GPU. What CUDA's own functions and
// its compiler do is not shown.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/codegen/cases.h"
#include "tests/codegen/host_prelude.h"
#include "tests/codegen/host_variants.h"

namespace host_kernels {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wbool-compare"
#include "tests/codegen/host_kernels.inc"
#pragma GCC diagnostic pop
}  // namespace host_kernels

namespace {

using tenon_codegen::KernelInfo;
using tenon_codegen::Method;
using tenon_codegen::Variant;
using Call = void (*)(void* const*);

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

Call Find(const std::string& name) {
  static const auto* const calls = [] {
    auto* const all = new std::map<std::string, Call>;
    for (const host_kernels::HostKernel& k : host_kernels::kHostKernels) (*all)[k.name] = k.call;
    return all;
  }();
  const auto at = calls->find(name);
  return at == calls->end() ? nullptr : at->second;
}

class Case {
 public:
  Case(const Sample& sample, const Layout& layout, unsigned seed)
      : sample_(sample),
        info_(tenon_codegen::Describe(sample.text->desc)),
        case_(info_, layout, seed) {
    std::minstd_rand random(seed);
    for (size_t k = 0; k < case_.operands.size(); ++k)
      before_.push_back(
          RandomElements(random, info_.operand_dtypes[k], case_.elements[k], sample.specials));
    expected_ = before_;
  }

  void Check() {
    TenonKernel interpreted = 0;
    TenonError error = {};
    error.size = sizeof error;
    ASSERT_EQ(tenon_interpreter_create(&sample_.text->desc, &interpreted, &error), TENON_OK)
        << sample_.name << error.message;
    for (size_t k = 0; k < case_.operands.size(); ++k)
      case_.operands[k].buffer = reinterpret_cast<TenonBuffer>(expected_[k].data());
    ASSERT_EQ(tenon_interpreter_launch(interpreted, &case_.launch, nullptr, &error), TENON_OK)
        << sample_.name << error.message;
    tenon_interpreter_destroy(interpreted);
    for (HostVariant& v : HostVariants(info_, case_.launch)) {
      ASSERT_NO_FATAL_FAILURE(Compare(v));
    }
  }

 private:
  void Compare(HostVariant& v) {
    std::vector<Bytes> got = before_;
    Bytes scratch(v.plan.scratch_bytes(info_) + 16);
    std::vector<void*> pointers, arguments;
    for (Bytes& bytes : got) pointers.push_back(bytes.data());
    if (v.plan.parts > 1) pointers.push_back(scratch.data());
    for (void*& pointer : pointers) arguments.push_back(&pointer);
    void* words = v.plan.words.data();
    arguments.push_back(v.plan.variant.in_memory ? &words : words);
    for (const Variant& kernel : v.kernels()) {
      const std::string name = sample_.name + "_" + kernel.suffix();
      const Call call = Find(name);
      ASSERT_NE(call, nullptr) << name;
      const bool grouped = v.plan.in_groups() || kernel.method == Method::kMerge;
      Run(call, arguments.data(), grouped ? 2 : 3, grouped ? 4 : 1);
    }
    for (size_t k = 0; k < got.size(); ++k) {
      const uint32_t dtype = info_.operand_dtypes[k];
      const size_t item = tenon_dtype_size(dtype);
      for (size_t i = 0; i * item < got[k].size(); ++i) {
        uint64_t is = 0, should = 0;
        std::memcpy(&is, got[k].data() + i * item, item);
        std::memcpy(&should, expected_[k].data() + i * item, item);
        ASSERT_TRUE(Agree(dtype, is, should, sample_.exact))
            << sample_.name << "_" << v.plan.variant.suffix() << " operand " << k << " ("
            << tenon_dtype_name(dtype) << ") element " << i << ": " << std::hex << is
            << ", should be " << should;
      }
    }
  }

  const Sample& sample_;
  const KernelInfo info_;
  LaunchCase case_;
  std::vector<Bytes> before_, expected_;
};

TEST(HostKernels, AgreeWithTheInterpreter) {
  size_t number = 0;
  for (const Sample& sample : MakeSamples()) {
    unsigned seed = 1;
    for (const Layout& layout : LayoutsOf(sample, number++)) {
      Case(sample, layout, ++seed).Check();
      if (HasFatalFailure()) break;  // the next sample may say more
    }
  }
}

}  // namespace
