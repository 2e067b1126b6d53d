// DLPack on the device under test: numbers of devices, copies on the host, what is refused.
// dlpack_foreign_test and dlpack_streams_test share memory of devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/interop/nested.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

using dlpack::DLDevice;
using dlpack::kDLCPU;
using dlpack::kIsCopied;
using interop::Report;
using interop::crafted::error_of;
using ::testing::HasSubstr;

constexpr DLDevice kHost{kDLCPU, 0};

TEST(DlpackDevice, NumbersGoBothWays) {
  const Device device = test_device();
  const DLDevice number = dlpack_device(device);
  EXPECT_EQ(device.host_addressable(), number.device_type == kDLCPU);
  EXPECT_TRUE(device_from_dlpack(number) == device);
}

TEST(DlpackDevice, TheHostCanAlwaysBeHad) {
  const Tensor t = tensor({1.f, 2.f, 3.f}, test_device());
  Report report;
  DlpackVersioned out = to_dlpack(t, {.device = kHost}, &report);
  const bool host = test_device().host_addressable();
  EXPECT_EQ(report.shared, host);
  EXPECT_EQ(out->flags, host ? 0 : kIsCopied);
  EXPECT_EQ(out->dl_tensor.device.device_type, kDLCPU);
  const Tensor back = from_dlpack(out.release(), {.device = test_device()}, &report);
  EXPECT_TRUE(back.device() == test_device());
  EXPECT_EQ(back.at({2}).item(), 3);
}

TEST(DlpackDevice, WhatCannotBeSharedSaysSo) {
  if (test_device().host_addressable()) GTEST_SKIP() << "the host shares";
  const Tensor t = tensor({1.f}, test_device());
  const std::string where = test_device().text();
  EXPECT_THAT(error_of([&] { to_dlpack(t, {.device = kHost, .copy = false}); }),
              HasSubstr("cannot move (i.e. copy=False) tensor from " + where));
  EXPECT_THAT(error_of([&] {
                to_dlpack(t, {.device = DLDevice{dlpack::kDLVulkan, 3}});
              }),
              HasSubstr("to kDLVulkan:3: only to its own device and to the host"));
  Tensor grad = tensor({1.f}, test_device());
  grad.requires_grad_();
  EXPECT_THAT(error_of([&] { to_dlpack(grad); }), HasSubstr("use tensor.detach()"));
  EXPECT_THAT(error_of([&] {
                from_dlpack(to_dlpack(t.cpu()).get(), {.device = test_device(), .copy = false});
              }),
              HasSubstr("on another device than " + where));
}

TEST(DlpackDevice, TensorOfTensorsKeepsDeviceAndGraph) {
  Tensor a = tensor({1.f, 2.f}, test_device()), b = tensor({3.f, 4.f}, test_device());
  a.requires_grad_();
  const Tensor t = tensor({a, b});
  EXPECT_TRUE(t.device() == test_device());
  EXPECT_NE(t.grad_fn_name(), nullptr);
  t.sum().backward();
  EXPECT_EQ(a.grad().cpu().text(), "tensor([1., 1.])");
  const Tensor moved = tensor({a, b}, {.dtype = DType::float64, .device = Device()});
  EXPECT_TRUE(moved.device() == Device() && moved.requires_grad());
}

}  // namespace
}  // namespace tenon
