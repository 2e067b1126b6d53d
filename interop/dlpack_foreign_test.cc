// DLPack on a device that is not the host, with another library on the other side: values, layouts,
// flags, cache sub-blocks, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>

#include "tenon/device/memory.h"
#include "tenon/device/stream.h"
#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/ops/elementwise.h"
#include "tests/other_library.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

using dlpack::DLManagedTensorVersioned;
using interop::OtherLibrary;
using interop::Report;
using interop::crafted::error_of;
using ::testing::HasSubstr;
using Values = std::vector<float>;

Values values_of(const Tensor& t) {
  const Tensor host = t.cpu().contiguous();
  const auto* data = host.data<float>();
  return Values(data, data + host.size());
}

TEST(DlpackForeign, AnImportIsTheProducersMemory) {
  OtherLibrary other(test_device());
  int deleted = 0;
  DLManagedTensorVersioned* m =
      other.make({1, 2, 3, 4, 5, 6}, {.shape = {2, 3}, .strides = {3, 1}, .deleted = &deleted});
  const dlpack::DLTensor described = m->dl_tensor;
  Report report;
  {
    Tensor t = from_dlpack(m, {}, &report);
    EXPECT_TRUE(t.device() == test_device());
    EXPECT_EQ(values_of(t), Values({1, 2, 3, 4, 5, 6}));
    EXPECT_TRUE(report.shared);
    EXPECT_EQ(report.why, "dtype, device and layout allow it");
    EXPECT_EQ(report.device_before, test_device().text());
    EXPECT_EQ(report.device_after, test_device().text());
    EXPECT_EQ(report.bytes, 24);
    t.fill_(7);
    synchronize(test_device());
    EXPECT_EQ(other.read(described, 6), Values(6, 7));
    other.write(described, {9, 8});
    EXPECT_EQ(values_of(t), Values({9, 8, 7, 7, 7, 7}));
    EXPECT_EQ(deleted, 0);
  }
  synchronize(test_device());
  EXPECT_EQ(deleted, 1);
}

// The first element in the middle, axes backwards, gapped and without a step.
TEST(DlpackForeign, StridesOfAnySignComeInAndGoOut) {
  OtherLibrary other(test_device());
  const Values all = {0, 1, 2, 3, 4, 5, 6, 7};
  struct Case {
    OtherLibrary::Array array;
    Values expected;
  };
  const Case cases[] = {
      {{.shape = {8}, .strides = {-1}, .first = 7}, {7, 6, 5, 4, 3, 2, 1, 0}},
      {{.shape = {3}, .strides = {2}, .first = 1}, {1, 3, 5}},
      {{.shape = {2, 2}, .strides = {-4, 2}, .first = 5}, {5, 7, 1, 3}},
      {{.shape = {2, 2}, .strides = {0, 1}, .first = 6}, {6, 7, 6, 7}},
      {{.shape = {2, 0}, .strides = {0, 1}}, {}},
      {{.shape = {}, .strides = {}, .first = 4}, {4}},
  };
  for (const Case& c : cases) {
    const Tensor t = from_dlpack(other.make(all, c.array));
    EXPECT_EQ(values_of(t), c.expected);
    EXPECT_EQ(values_of(t + t).size(), c.expected.size());  // a kernel reads it
    const DlpackVersioned out = to_dlpack(t);
    if (c.expected.empty()) {
      EXPECT_EQ(out->dl_tensor.data, nullptr);
      continue;
    }
    EXPECT_EQ(other.read(out->dl_tensor, 1)[0], c.expected[0]);
    for (int i = 0; i < t.ndim(); ++i) EXPECT_EQ(out->dl_tensor.strides[i], t.strides()[i]);
  }
}

TEST(DlpackForeign, FlagsComeInAndGoOut) {
  OtherLibrary other(test_device());
  Report report;
  Tensor t = from_dlpack(
      other.make({1, 2}, {.shape = {2}, .strides = {1}, .flags = dlpack::kReadOnly}), {}, &report);
  EXPECT_TRUE(t.read_only() && report.shared);
  EXPECT_THAT(report.why, HasSubstr("the memory is read-only"));
  EXPECT_THAT(error_of([&] { t.fill_(0); }), HasSubstr("read-only"));
  DlpackVersioned out = to_dlpack(t, {}, &report);
  EXPECT_EQ(out->flags, dlpack::kReadOnly);
  EXPECT_THAT(report.why, HasSubstr("read-only"));
  EXPECT_THAT(error_of([&] { to_dlpack_unversioned(t); }), HasSubstr("readonly"));
  EXPECT_THAT(error_of([&] { borrow_dlpack(t); }), HasSubstr("readonly"));
  from_dlpack(other.make({1, 2}, {.shape = {2}, .strides = {1}, .flags = dlpack::kIsCopied}), {},
              &report);
  EXPECT_FALSE(report.shared);
  EXPECT_EQ(report.why, "the producer made a copy and gave it away");
}

// Small tensors lie side by side in one buffer of the device.
TEST(DlpackForeign, EachExportNamesItsOwnPartOfTheCache) {
  OtherLibrary other(test_device());
  std::vector<Tensor> tensors;
  std::vector<DlpackVersioned> exported;
  for (int i = 0; i < 20; ++i) {
    tensors.push_back(full({5, 2}, static_cast<float>(i), DType::float32, test_device()));
    // A view, too: its first element is in the middle.
    exported.push_back(to_dlpack(tensors.back().at({Slice{.start = 2}})));
  }
  for (int i = 0; i < 20; ++i) {
    const dlpack::DLTensor& d = exported[static_cast<size_t>(i)]->dl_tensor;
    EXPECT_EQ(d.device.device_type, dlpack_device(test_device()).device_type);
    EXPECT_EQ(other.read(d, 6), Values(6, static_cast<float>(i)));
    other.write(d, Values(6, 100 + static_cast<float>(i)));
  }
  for (int i = 0; i < 20; ++i) {
    const auto was = static_cast<float>(i), now = was + 100;
    EXPECT_EQ(values_of(tensors[static_cast<size_t>(i)]),
              Values({was, was, was, was, now, now, now, now, now, now}));
  }
}

TEST(DlpackForeign, ExportOptions) {
  OtherLibrary other(test_device());
  const Tensor t = tensor({1.f, 2.f, 3.f}, test_device());
  Report report;
  const DlpackVersioned shared = to_dlpack(t, {.copy = false}, &report);
  EXPECT_TRUE(report.shared && shared->flags == 0);
  EXPECT_EQ(report.why, "the device's plug-in names its memory");
  const DlpackVersioned copy = to_dlpack(t, {.copy = true}, &report);
  EXPECT_TRUE(!report.shared && copy->flags == dlpack::kIsCopied);
  EXPECT_EQ(report.why, "copy = true asked for it");
  other.write(copy->dl_tensor, {0, 0, 0});
  EXPECT_EQ(other.read(shared->dl_tensor, 3), Values({1, 2, 3}));
  const DlpackVersioned host =
      to_dlpack(t, {.device = dlpack::DLDevice{dlpack::kDLCPU, 0}}, &report);
  EXPECT_TRUE(!report.shared && host->flags == dlpack::kIsCopied);
  EXPECT_EQ(report.why, "the memory is on another device");
  EXPECT_EQ(static_cast<float*>(host->dl_tensor.data)[2], 3);
  const dlpack::DLTensor borrowed = borrow_dlpack(t);
  synchronize(test_device());
  EXPECT_EQ(other.read(borrowed, 3), Values({1, 2, 3}));
  const DlpackUnversioned old = to_dlpack_unversioned(t);
  EXPECT_EQ(other.read(old->dl_tensor, 3), Values({1, 2, 3}));
}

TEST(DlpackForeign, ImportsThatCopySaySo) {
  OtherLibrary other(test_device());
  int deleted = 0;
  const OtherLibrary::Array array = {
      .shape = {3}, .strides = {-1}, .first = 2, .deleted = &deleted};
  Report report;
  const Tensor copy = from_dlpack(other.make({1, 2, 3}, array), {.copy = true}, &report);
  EXPECT_TRUE(!report.shared && copy.device() == test_device());
  EXPECT_EQ(report.why, "copy = true asked for it");
  const Tensor host = from_dlpack(other.make({4, 5, 6}, array), {.device = Device()}, &report);
  EXPECT_TRUE(!report.shared && host.device() == Device());
  EXPECT_EQ(report.why, "the memory is on another device");
  DLManagedTensorVersioned* m = other.make({7, 8, 9}, array);
  const Tensor third = copy_dlpack(m->dl_tensor, {}, &report);
  EXPECT_EQ(report.why, "a bare DLTensor says nothing of its lifetime");
  m->deleter(m);
  synchronize(test_device());
  EXPECT_EQ(deleted, 3);
  EXPECT_EQ(values_of(copy), Values({3, 2, 1}));
  EXPECT_EQ(values_of(host), Values({6, 5, 4}));
  EXPECT_EQ(values_of(third), Values({9, 8, 7}));
}

TEST(DlpackForeign, RefusalsConsumeNothing) {
  OtherLibrary other(test_device());
  float host_memory[4] = {};
  struct Case {
    const char* text;
    void (*spoil)(DLManagedTensorVersioned&, float* host_memory);
    FromDlpackOptions options;
  };
  const Case cases[] = {
      {"cannot take 16 bytes of ", [](auto& m, float* p) { m.dl_tensor.data = p; }, {}},
      {"Name the device that the memory is on",
       [](auto& m, float* p) { m.dl_tensor.data = p; },
       {}},
      {"cannot take 4000004 bytes of ", [](auto& m, float*) { *m.dl_tensor.shape = 1000001; }, {}},
      {"which is no device of this process",
       [](auto& m, float*) { m.dl_tensor.device.device_id = 77; },
       {}},
      {"is not aligned for the dtype, and a device cannot read it",
       [](auto& m, float*) {
         m.dl_tensor.byte_offset += 2;
         *m.dl_tensor.shape = 1;
       },
       {}},
      {"on another device than cpu", [](auto&, float*) {}, {.device = Device(), .copy = false}},
      {"null memory", [](auto& m, float*) { m.dl_tensor.data = nullptr; }, {}},
      {"reach beyond any address",
       [](auto& m, float*) { m.dl_tensor.byte_offset = UINT64_MAX - 8; },
       {}},
  };
  // A host address where OpenCL wants a cl_mem is a crash in any OpenCL library.
  const bool has_addresses = dlpack_device(test_device()).device_type != dlpack::kDLOpenCL;
  for (const Case& c : std::span(cases).subspan(has_addresses ? 0 : 2)) {
    int deleted = 0;
    DLManagedTensorVersioned* m =
        other.make({1, 2, 3, 4}, {.shape = {4}, .strides = {1}, .deleted = &deleted});
    c.spoil(*m, host_memory);
    EXPECT_THAT(error_of([&] { from_dlpack(m, c.options); }), HasSubstr(c.text));
    synchronize(test_device());
    EXPECT_EQ(deleted, 0) << c.text;
    m->deleter(m);
    EXPECT_EQ(deleted, 1);
  }
}

TEST(DlpackForeign, MemoryOfTheNeighbourIsNamedAsSuch) {
  if (test_device().backend() != "simdev") GTEST_SKIP() << "one device";
  const Device second("simdev:1");
  OtherLibrary other(second);
  int deleted = 0;
  DLManagedTensorVersioned* m =
      other.make({1}, {.shape = {1}, .strides = {1}, .deleted = &deleted});
  m->dl_tensor.device = dlpack_device(test_device());
  EXPECT_THAT(error_of([&] { from_dlpack(m); }),
              HasSubstr("the memory is device 1's, not device 0's"));
  EXPECT_EQ(deleted, 0);
  m->dl_tensor.device = dlpack_device(second);
  EXPECT_TRUE(from_dlpack(m).device() == second);
}

TEST(DlpackForeign, ImportsStayOutOfTheCacheAndItsNumbers) {
  OtherLibrary other(test_device());
  { const Tensor warm = from_dlpack(other.make({1}, {.shape = {1}, .strides = {1}})); }
  synchronize(test_device());
  empty_cache(test_device());
  const MemoryStats before = memory_stats(test_device());
  const uint64_t live = other.live_buffers();
  int deleted = 0;
  for (int i = 0; i < 200; ++i) {
    from_dlpack(other.make(Values(1000), {.shape = {1000}, .strides = {1}, .deleted = &deleted}));
    const MemoryStats now = memory_stats(test_device());
    EXPECT_EQ(now.in_use, before.in_use);
    EXPECT_EQ(now.reserved, before.reserved);
    EXPECT_EQ(now.raw_frees, before.raw_frees);
  }
  synchronize(test_device());
  EXPECT_EQ(deleted, 200);
  EXPECT_EQ(other.live_buffers(), live);
}

// Out and in again: two tensors on one memory, whose storage goes with the last.
TEST(DlpackForeign, RoundTrips) {
  OtherLibrary other(test_device());
  synchronize(test_device());
  const uint64_t in_use = memory_stats(test_device()).in_use;
  {
    Tensor t = tensor({1.f, 2.f, 3.f}, test_device());
    Tensor u = t;
    for (int i = 0; i < 10; ++i) u = from_dlpack(to_dlpack(u).release());
    t.fill_(5);
    t = Tensor();
    EXPECT_EQ(values_of(u + u), Values(3, 10));
  }
  for (int i = 0; i < 11; ++i) synchronize(test_device());
  EXPECT_EQ(memory_stats(test_device()).in_use, in_use);
}

}  // namespace
}  // namespace tenon
