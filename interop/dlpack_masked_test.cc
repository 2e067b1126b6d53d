// DLPack on a device whose plug-in names neither memory nor streams: run with TENON_MASK.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/device/stream.h"
#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/ops/elementwise.h"
#include "tests/other_library.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

using dlpack::kDLCPU;
using interop::crafted::error_of;
using ::testing::HasSubstr;

bool is_masked(std::string_view entry) {
  return std::string_view(std::getenv("TENON_MASK")).find(entry) != std::string_view::npos;
}

TEST(DlpackMasked, MemoryThatCannotBeNamedIsRefusedWithTheWayOut) {
  if (!is_masked("mem_export")) GTEST_SKIP() << "memory has a name";
  const Tensor t = tensor({1.f}, test_device());
  for (auto* call :
       {+[](const Tensor& x) { to_dlpack(x); }, +[](const Tensor& x) { to_dlpack_unversioned(x); },
        +[](const Tensor& x) { borrow_dlpack(x); }}) {
    EXPECT_THAT(error_of([&] { call(t); }),
                HasSubstr("its plug-in gives out no address (it has no mem_export). Ask for a copy "
                          "on the host (device kDLCPU), or export t.cpu()"));
  }
  const DlpackVersioned host = to_dlpack(t, {.device = dlpack::DLDevice{kDLCPU, 0}});
  EXPECT_EQ(*static_cast<float*>(host->dl_tensor.data), 1);
}

TEST(DlpackMasked, ForeignMemoryIsRefusedWithTheWayOut) {
  if (!is_masked("mem_import")) GTEST_SKIP() << "memory is taken";
  const DlpackVersioned m = to_dlpack(tensor({1.f}));
  m->dl_tensor.device = dlpack_device(test_device());
  EXPECT_THAT(
      error_of([&] { from_dlpack(m.get()); }),
      HasSubstr("whose plug-in takes no foreign memory (it has no mem_import). Hand it over "
                "on the host"));
  EXPECT_NE(m->deleter, nullptr);  // and still ours
}

// Without stream_import the host waits in the consumer's place.
TEST(DlpackMasked, TheHostWaitsForStreamsWithoutAName) {
  if (!is_masked("stream_import")) GTEST_SKIP() << "streams have names";
  const Device device = test_device();
  const Tensor x = tensor({1.f, 2.f}, device);
  const Tensor y = x + x;
  const DlpackVersioned out = to_dlpack(y, {.stream = 12345});
  EXPECT_TRUE(Stream::current(device).idle());
  interop::OtherLibrary other(device);
  EXPECT_EQ(other.read(out->dl_tensor, 2), std::vector<float>({2, 4}));
  EXPECT_THAT(error_of([&] { Stream::current(device).native(); }),
              HasSubstr("its plug-in has no stream_native"));
  EXPECT_THAT(
      error_of([&] { Stream::current(device).wait_native(&other); }),
      HasSubstr("its plug-in has no stream_import. Wait for that stream on the host first"));
}

}  // namespace
}  // namespace tenon
