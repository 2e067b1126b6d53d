// A stand-in for another array library on the device under test: it has the plug-in's tables and
// nothing of core, so that what it reads and writes is judged by no code of ours above the ABI.
#ifndef TENON_TESTS_OTHER_LIBRARY_H_
#define TENON_TESTS_OTHER_LIBRARY_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tenon/device/backend.h"
#include "tenon/device/device_state.h"
#include "tenon/interop/dlpack.h"
#include "tests/plugins/simdev/simdev_ops.h"

namespace tenon::interop {

class OtherLibrary {
 public:
  explicit OtherLibrary(Device device) : device_(device), stream_(new_stream().first) {}
  ~OtherLibrary() { tables().streams.stream_destroy(handle(), stream_); }
  OtherLibrary(const OtherLibrary&) = delete;
  OtherLibrary& operator=(const OtherLibrary&) = delete;

  TenonDevice handle() const { return device_.state().handle; }
  const BackendTables& tables() const { return *device_.state().tables; }
  uint64_t live_buffers() const {
    uint64_t live = 0;
    if (tables().query_extension == nullptr) return 0;  // a device of flesh and blood
    const auto* ops = static_cast<const TenonTestOps*>(tables().query_extension("tenon.test", 1));
    ops->counters(handle(), nullptr, nullptr, &live);
    return live;
  }

  // A struct over memory of this library with these floats; counts the calls of its deleter.
  struct Array {
    std::vector<int64_t> shape, strides;
    int64_t first = 0;  // element at index 0, .., 0
    int* deleted = nullptr;
    uint64_t flags = 0;
  };
  dlpack::DLManagedTensorVersioned* make(const std::vector<float>& values, const Array& array) {
    auto owned = std::make_unique<Owned>();
    owned->device = device_;
    owned->array = array;
    TenonError error = new_error();
    EXPECT_EQ(tables().core.mem_alloc(handle(), values.size() * 4, &owned->buffer, &error),
              TENON_OK);
    EXPECT_EQ(tables().core.copy_h2d(handle(), stream_, owned->buffer, 0, values.data(),
                                     values.size() * 4, &error),
              TENON_OK);
    EXPECT_EQ(tables().streams.stream_sync(handle(), stream_, &error), TENON_OK) << error.message;
    void* memory = nullptr;
    uint64_t offset = 0;
    EXPECT_EQ(tables().memory.mem_export(handle(), owned->buffer, 0, &memory, &offset, &error),
              TENON_OK);
    dlpack::DLManagedTensorVersioned& m = owned->managed;
    m.version = {dlpack::kMajorVersion, dlpack::kMinorVersion};
    m.flags = array.flags;
    m.manager_ctx = owned.get();
    m.deleter = &Owned::destroy;
    m.dl_tensor = {.data = memory,
                   .device = dlpack_device(device_),
                   .ndim = static_cast<int32_t>(array.shape.size()),
                   .dtype = {dlpack::kDLFloat, 32, 1},
                   .shape = owned->array.shape.data(),
                   .strides = owned->array.strides.data(),
                   .byte_offset = offset + static_cast<uint64_t>(array.first) * 4};
    return &owned.release()->managed;
  }

  // What is in memory that somebody exported, from its first element on.
  std::vector<float> read(const dlpack::DLTensor& t, size_t n) {
    std::vector<float> values(n);
    with_buffer(t, n, [&](TenonBuffer buffer, uint64_t at, TenonError* error) {
      return tables().core.copy_d2h(handle(), stream_, values.data(), buffer, at, n * 4, error);
    });
    return values;
  }
  void write(const dlpack::DLTensor& t, const std::vector<float>& values) {
    with_buffer(t, values.size(), [&](TenonBuffer buffer, uint64_t at, TenonError* error) {
      return tables().core.copy_h2d(handle(), stream_, buffer, at, values.data(), values.size() * 4,
                                    error);
    });
  }

  // A stream of this library, and its native name.
  std::pair<TenonStream, void*> new_stream() {
    TenonError error = new_error();
    TenonStream stream = 0;
    void* native = nullptr;
    EXPECT_EQ(tables().streams.stream_create(handle(), 0, &stream, &error), TENON_OK);
    if (tables().streams.stream_native != nullptr) {
      EXPECT_EQ(tables().streams.stream_native(handle(), stream, &native, &error), TENON_OK);
    }
    return {stream, native};
  }

  // simdev: keeps a stream from starting anything.
  void hold(TenonStream stream, bool held) {
    static_cast<const SimdevOps*>(tables().query_extension("tenon.simdev", 1))
        ->hold(handle(), stream, held);
  }

 private:
  struct Owned {
    dlpack::DLManagedTensorVersioned managed{};
    Device device;  // the library itself may be gone by then
    Array array;
    TenonBuffer buffer = 0;
    static void destroy(dlpack::DLManagedTensorVersioned* self) noexcept {
      const std::unique_ptr<Owned> owned(static_cast<Owned*>(self->manager_ctx));
      const DeviceState& state = owned->device.state();
      state.tables->core.mem_free(state.handle, owned->buffer);
      if (owned->array.deleted != nullptr) ++*owned->array.deleted;
    }
  };

  template <class Copy>
  void with_buffer(const dlpack::DLTensor& t, size_t n, Copy copy) {
    TenonError error = new_error();
    TenonBuffer buffer = 0;
    uint64_t at = 0;
    ASSERT_EQ(tables().memory.mem_import(handle(), t.data, static_cast<int64_t>(t.byte_offset),
                                         n * 4, &buffer, &at, &error),
              TENON_OK)
        << error.message;
    EXPECT_EQ(copy(buffer, at, &error), TENON_OK) << error.message;
    EXPECT_EQ(tables().streams.stream_sync(handle(), stream_, &error), TENON_OK) << error.message;
    tables().core.mem_free(handle(), buffer);
  }

  Device device_;
  TenonStream stream_;  // its own, on which it waits for what it does
};

}  // namespace tenon::interop

#endif  // TENON_TESTS_OTHER_LIBRARY_H_
