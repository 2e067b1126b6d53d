// For tests: a host with as many threads as a test wants, and a few lines around the backend's
// tables.
#ifndef TENON_BACKENDS_CPU_TEST_DEVICE_H_
#define TENON_BACKENDS_CPU_TEST_DEVICE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/abi/tenon_plugin_kit.h"

extern "C" TenonStatus tenon_backend_entry_v0_cpu(const TenonHost* host, const TenonBackend** out,
                                                  TenonError* error);

namespace tenon_cpu {

inline int test_threads = 1;

// Pieces at multiples of the grain, unevenly and in threads of their own.
inline void TestParallelFor(void*, int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t),
                            void* arg) noexcept {
  const int64_t units = (n + grain - 1) / grain;
  const int64_t pieces = std::min<int64_t>(units, test_threads);
  std::vector<std::thread> threads;
  for (int64_t p = 0; p < pieces; ++p) {
    const int64_t begin = units * p * p / (pieces * pieces) * grain,
                  end = std::min(n, units * (p + 1) * (p + 1) / (pieces * pieces) * grain);
    if (begin >= end) continue;
    if (p + 1 == pieces)
      fn(arg, begin, end);
    else
      threads.emplace_back([=] { fn(arg, begin, end); });
  }
  for (std::thread& t : threads) t.join();
}

inline const TenonHost test_host = {
    sizeof(TenonHost),
    TENON_ABI_MAJOR,
    TENON_ABI_MINOR,
    0,
    nullptr,
    [](void*, int32_t, const char*) noexcept {},
    [](void*, uint64_t bytes, uint64_t align) noexcept -> void* {
      void* p = nullptr;
      return posix_memalign(&p, align < 64 ? 64 : align, bytes) == 0 ? p : nullptr;
    },
    [](void*, void* p) noexcept { free(p); },
    TestParallelFor,
    [](void*) noexcept -> int32_t { return test_threads; },
    [](void*, const char*) noexcept -> const char* { return nullptr; },
};

inline const TenonBackend& Backend() {
  const TenonBackend* backend = nullptr;
  TenonError error = {sizeof error, 0, {}};
  EXPECT_EQ(tenon_backend_entry_v0_cpu(&test_host, &backend, &error), TENON_OK) << error.message;
  return *backend;
}

// A strided view of memory that the test owns.
struct View {
  void* data;
  uint32_t dtype;
  std::vector<int64_t> strides;
};

inline std::vector<int64_t> RowMajor(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size());
  int64_t next = 1;
  for (size_t d = sizes.size(); d-- > 0; next *= sizes[d]) strides[d] = next;
  return strides;
}

// The first of all positions; sizes.data() of a scalar may be a null pointer, which memcpy does not
// like.
inline TenonPosition FirstPosition(const std::vector<int64_t>& sizes) {
  constexpr int64_t kNone = 0;
  return tenon_position_first(static_cast<uint32_t>(sizes.size()),
                              sizes.empty() ? &kNone : sizes.data(), 0xff);
}

inline TenonInstr Instr(uint32_t op, uint32_t dtype, int a = 0, int b = 0, int c = 0,
                        uint64_t imm = 0) {
  return {static_cast<uint16_t>(op),
          static_cast<uint16_t>(dtype),
          static_cast<uint16_t>(a),
          static_cast<uint16_t>(b),
          static_cast<uint16_t>(c),
          0,
          0,
          imm};
}

struct TestProgram {
  std::vector<TenonInstr> instr;
  std::vector<uint32_t> outputs;
  uint32_t n_inputs = 0, n_scalars = 0;
  TenonProgram Abi() const {
    return {sizeof(TenonProgram),
            0,
            static_cast<uint32_t>(instr.size()),
            n_inputs,
            static_cast<uint32_t>(outputs.size()),
            n_scalars,
            instr.data(),
            outputs.data(),
            1};
  }
};

struct TestLaunch {
  std::vector<int64_t> sizes;
  std::vector<View> operands;
  std::vector<uint64_t> scalars;
  uint32_t reduce_axes = 0, flags = 0;
  int64_t index_base = 0;
  std::vector<int64_t> index_strides;
};

class TestKernel {
 public:
  explicit TestKernel(const TestProgram& program) {
    const TenonProgram p = program.Abi();
    Create({sizeof(TenonKernelDesc), 0, &p, nullptr, nullptr, 0, 0});
  }
  TestKernel(const TestProgram& program, const std::vector<TenonReducer>& reducers,
             const TestProgram& epilogue) {
    const TenonProgram p = program.Abi(), e = epilogue.Abi();
    Create({sizeof(TenonKernelDesc), 0, &p, &e, reducers.data(),
            static_cast<uint32_t>(reducers.size()), 0});
  }
  ~TestKernel() {
    if (kernel_ != 0) Backend().core->kernel_destroy(1, kernel_);
  }
  TenonStatus status() const { return status_; }
  const char* message() const { return error_.message; }

  TenonStatus Launch(const TestLaunch& l) {
    TenonLaunch launch = {};
    std::vector<TenonOperand> operands;
    for (const View& v : l.operands) {
      TenonOperand o = {reinterpret_cast<TenonBuffer>(v.data), 0, v.dtype, 0, {}};
      std::copy(v.strides.begin(), v.strides.end(), o.strides);
      operands.push_back(o);
    }
    launch.size = sizeof launch;
    launch.flags = l.flags;
    launch.rank = static_cast<uint32_t>(l.sizes.size());
    launch.reduce_axes = l.reduce_axes;
    launch.n_operands = static_cast<uint32_t>(operands.size());
    launch.n_scalars = static_cast<uint32_t>(l.scalars.size());
    launch.operands = operands.data();
    launch.scalars = l.scalars.data();
    std::copy(l.sizes.begin(), l.sizes.end(), launch.sizes);
    launch.index_base = l.index_base;
    std::copy(l.index_strides.begin(), l.index_strides.end(), launch.index_strides);
    error_ = {sizeof error_, 0, {}};
    return Backend().core->kernel_launch(1, 0, kernel_, &launch, &error_);
  }

 private:
  void Create(const TenonKernelDesc& desc) {
    status_ = Backend().core->kernel_create(1, &desc, &kernel_, &error_);
  }
  TenonKernel kernel_ = 0;
  TenonStatus status_ = TENON_OK;
  TenonError error_ = {sizeof error_, 0, {}};
};

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_TEST_DEVICE_H_
