// FakeHost: the host's side of the ABI for tests that talk to a backend without libtenon.
//
//   FakeHost host;
//   host.options["SIMDEV_DELAY_US"] = "0";
//   const TenonBackend* backend = host.Enter(tenon_backend_entry_v0_mini);
#ifndef TENON_TESTS_ABI_FAKE_HOST_H_
#define TENON_TESTS_ABI_FAKE_HOST_H_

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_backend.h"

struct ErrorSlot : TenonError {
  ErrorSlot() : TenonError{} { size = sizeof(TenonError); }
};

class FakeHost {
 public:
  FakeHost() {
    table.size = sizeof table;
    table.abi_major = TENON_ABI_MAJOR;
    table.abi_minor = TENON_ABI_MINOR;
    table.ctx = this;
    table.log = [](void*, int32_t, const char*) noexcept {};
    table.host_alloc = [](void*, uint64_t bytes, uint64_t align) noexcept {
      return bytes > (uint64_t{1} << 40)
                 ? nullptr
                 : std::aligned_alloc(align, (bytes + align - 1) / align * align);
    };
    table.host_free = [](void*, void* p) noexcept { std::free(p); };
    table.parallel_for = [](void*, int64_t n, int64_t, void (*fn)(void*, int64_t, int64_t),
                            void* arg) noexcept { fn(arg, 0, n); };
    table.num_threads = [](void*) noexcept { return int32_t{1}; };
    table.option = [](void* ctx, const char* key) noexcept -> const char* {
      const auto& set = static_cast<FakeHost*>(ctx)->options;
      const auto found = set.find(key);
      return found == set.end() ? nullptr : found->second.c_str();
    };
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const TenonBackend* Enter(TenonEntryFn entry) {
    ErrorSlot error;
    const TenonBackend* backend = nullptr;
    EXPECT_EQ(entry(&table, &backend, &error), TENON_OK) << error.message;
    return backend;
  }

  TenonHost table = {};
  std::map<std::string, std::string> options;
};

#endif  // TENON_TESTS_ABI_FAKE_HOST_H_
