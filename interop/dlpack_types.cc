// The tables between DLPack's numbers and Tenon's dtypes and devices.
#include <string>
#include <string_view>

#include "tenon/device/device_state.h"
#include "tenon/interop/dlpack.h"

namespace tenon {
namespace {

using dlpack::DLDataType;
using dlpack::DLDataTypeCode;
using dlpack::DLDevice;
using dlpack::DLDeviceType;
using dlpack::kDLBfloat;
using dlpack::kDLBool;
using dlpack::kDLComplex;
using dlpack::kDLCPU;
using dlpack::kDLCUDA;
using dlpack::kDLCUDAHost;
using dlpack::kDLCUDAManaged;
using dlpack::kDLExtDev;
using dlpack::kDLFloat;
using dlpack::kDLFloat4_e2m1fn;
using dlpack::kDLFloat6_e2m3fn;
using dlpack::kDLFloat6_e3m2fn;
using dlpack::kDLFloat8_e3m4;
using dlpack::kDLFloat8_e4m3;
using dlpack::kDLFloat8_e4m3b11fnuz;
using dlpack::kDLFloat8_e4m3fn;
using dlpack::kDLFloat8_e4m3fnuz;
using dlpack::kDLFloat8_e5m2;
using dlpack::kDLFloat8_e5m2fnuz;
using dlpack::kDLFloat8_e8m0fnu;
using dlpack::kDLHexagon;
using dlpack::kDLInt;
using dlpack::kDLMAIA;
using dlpack::kDLMetal;
using dlpack::kDLOneAPI;
using dlpack::kDLOpaqueHandle;
using dlpack::kDLOpenCL;
using dlpack::kDLROCM;
using dlpack::kDLROCMHost;
using dlpack::kDLTrn;
using dlpack::kDLUInt;
using dlpack::kDLVPI;
using dlpack::kDLVulkan;
using dlpack::kDLWebGPU;

struct DeviceName {
  DLDeviceType type;
  std::string_view text;
};
constexpr DeviceName kDeviceNames[] = {
    {kDLCPU, "kDLCPU"},
    {kDLCUDA, "kDLCUDA"},
    {kDLCUDAHost, "kDLCUDAHost"},
    {kDLOpenCL, "kDLOpenCL"},
    {kDLVulkan, "kDLVulkan"},
    {kDLMetal, "kDLMetal"},
    {kDLVPI, "kDLVPI"},
    {kDLROCM, "kDLROCM"},
    {kDLROCMHost, "kDLROCMHost"},
    {kDLExtDev, "kDLExtDev"},
    {kDLCUDAManaged, "kDLCUDAManaged"},
    {kDLOneAPI, "kDLOneAPI"},
    {kDLWebGPU, "kDLWebGPU"},
    {kDLHexagon, "kDLHexagon"},
    {kDLMAIA, "kDLMAIA"},
    {kDLTrn, "kDLTrn"},
};

// Names of codes; those whose name does not end in the bits get them appended.
struct CodeName {
  DLDataTypeCode code;
  std::string_view text;
  bool with_bits;
};
constexpr CodeName kCodeNames[] = {
    {kDLInt, "int", true},
    {kDLUInt, "uint", true},
    {kDLFloat, "float", true},
    {kDLOpaqueHandle, "opaque handle of bits ", true},
    {kDLBfloat, "bfloat", true},
    {kDLComplex, "complex", true},
    {kDLBool, "bool", true},
    {kDLFloat8_e3m4, "float8_e3m4", false},
    {kDLFloat8_e4m3, "float8_e4m3", false},
    {kDLFloat8_e4m3b11fnuz, "float8_e4m3b11fnuz", false},
    {kDLFloat8_e4m3fn, "float8_e4m3fn", false},
    {kDLFloat8_e4m3fnuz, "float8_e4m3fnuz", false},
    {kDLFloat8_e5m2, "float8_e5m2", false},
    {kDLFloat8_e5m2fnuz, "float8_e5m2fnuz", false},
    {kDLFloat8_e8m0fnu, "float8_e8m0fnu", false},
    {kDLFloat6_e2m3fn, "float6_e2m3fn", false},
    {kDLFloat6_e3m2fn, "float6_e3m2fn", false},
    {kDLFloat4_e2m1fn, "float4_e2m1fn", false},
};

std::string known_devices() {
  std::string out;
  for (const Device& d : devices()) {
    out += concat_text(out.empty() ? "" : ", ", d.text(), " (",
                       dlpack_device_text(dlpack_device(d)), ")");
  }
  return out;
}

}  // namespace

DLDevice dlpack_device(Device device) {
  // Host memory is kDLCPU whatever the backend that computes on it is called.
  if (device.host_addressable()) return {kDLCPU, 0};
  const TenonDeviceProps& props = device.state().props;
  if (props.dlpack_type == 0) return {kDLExtDev, device.index()};
  return {static_cast<DLDeviceType>(props.dlpack_type), static_cast<int32_t>(props.dlpack_id)};
}

Device device_from_dlpack(DLDevice device) {
  if (device.device_type == kDLCPU || device.device_type == kDLCUDAHost ||
      device.device_type == kDLROCMHost) {
    return Device();
  }
  for (const Device& d : devices()) {
    const DLDevice own = dlpack_device(d);
    if (own.device_type == device.device_type && own.device_id == device.device_id) return d;
  }
  fail(ErrorCode::kDevice, "from_dlpack", "the memory is on ", dlpack_device_text(device),
       ", which is no device of this process; it has ", known_devices(),
       ". Hand the memory over on the host (the producer's cpu())");
}

DLDataType dlpack_dtype(DType dtype) {
  const DTypeInfo& info = dtype_info(dtype);
  return {info.dlpack_code, info.dlpack_bits, 1};
}

DType dtype_from_dlpack(DLDataType dtype) {
  if (dtype.lanes != 1) return DType::none;
  for (int i = 1; i < kDTypeCount; ++i) {
    const DTypeInfo& info = dtype_info(static_cast<DType>(i));
    if (info.dlpack_code == dtype.code && info.dlpack_bits == dtype.bits)
      return static_cast<DType>(i);
  }
  return DType::none;
}

std::string dlpack_dtype_text(DLDataType dtype) {
  std::string text = concat_text("code ", int{dtype.code}, " with ", int{dtype.bits}, " bits");
  for (const CodeName& c : kCodeNames) {
    if (c.code != dtype.code) continue;
    text = c.with_bits ? concat_text(c.text, int{dtype.bits}) : std::string(c.text);
  }
  return dtype.lanes == 1 ? text : concat_text(text, "x", int{dtype.lanes});
}

std::string dlpack_device_text(DLDevice device) {
  for (const DeviceName& n : kDeviceNames) {
    if (n.type == device.device_type) return concat_text(n.text, ":", device.device_id);
  }
  return concat_text("device type ", static_cast<int32_t>(device.device_type), ":",
                     device.device_id);
}

}  // namespace tenon
