// The C structs of DLPack, by which array libraries hand each other memory. Version 1.3 of the ABI.
//
//   dlpack::DLManagedTensorVersioned* m = ...;         // from a producer, or for a consumer
//   m->dl_tensor.shape[0], m->flags & dlpack::kReadOnly
//
// The names of structs, fields and enumerators are the standard's, so that its documentation
// applies; they stand in a namespace of their own, so that a program may include another library's
// <dlpack/dlpack.h> as well. Pointers to that header's structs are cast to these with
// reinterpret_cast: the layouts are the same, which the static_asserts below hold fast.
//
// dlpack.h imports and exports tensors. Nothing is here but data: no function, no other include.
//
// Source: the DLPack specification, https://dmlc.github.io/dlpack/latest/c_api.html; numbers as
// observed in interop_facts.md.
#ifndef TENON_INTEROP_DLPACK_ABI_H_
#define TENON_INTEROP_DLPACK_ABI_H_

#include <cstddef>
#include <cstdint>

namespace tenon::dlpack {

// What Tenon writes. Another major version means another layout: of such a struct only `version`
// and `deleter` may be used. A larger minor version adds enumerators only.
inline constexpr uint32_t kMajorVersion = 1;
inline constexpr uint32_t kMinorVersion = 3;

struct DLPackVersion {
  uint32_t major;
  uint32_t minor;
};

// Where the memory is. A producer may send numbers that are not listed.
enum DLDeviceType : int32_t {
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,  // pinned host memory
  kDLOpenCL = 4,
  kDLVulkan = 7,
  kDLMetal = 8,
  kDLVPI = 9,
  kDLROCM = 10,
  kDLROCMHost = 11,  // pinned host memory
  kDLExtDev = 12,    // for tests and devices without a number
  kDLCUDAManaged = 13,
  kDLOneAPI = 14,
  kDLWebGPU = 15,
  kDLHexagon = 16,
  kDLMAIA = 17,
  kDLTrn = 18,
};

struct DLDevice {
  DLDeviceType device_type;
  int32_t device_id;
};

// What an element is, together with its bits.
enum DLDataTypeCode : uint8_t {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,  // bits counts both parts
  kDLBool = 6,
  kDLFloat8_e3m4 = 7,
  kDLFloat8_e4m3 = 8,
  kDLFloat8_e4m3b11fnuz = 9,
  kDLFloat8_e4m3fn = 10,
  kDLFloat8_e4m3fnuz = 11,
  kDLFloat8_e5m2 = 12,
  kDLFloat8_e5m2fnuz = 13,
  kDLFloat8_e8m0fnu = 14,
  kDLFloat6_e2m3fn = 15,
  kDLFloat6_e3m2fn = 16,
  kDLFloat4_e2m1fn = 17,
};

struct DLDataType {
  uint8_t code;  // DLDataTypeCode
  uint8_t bits;
  uint16_t lanes;  // 1 but for vector types
};

// Element (i, j, ..) is at (char*)data + byte_offset + (i * strides[0] + j * strides[1] + ..) *
// item.
struct DLTensor {
  void* data;  // null where there are no elements
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;    // may be null where ndim is 0
  int64_t* strides;  // in elements, any sign; before version 1.2 null could mean row-major
  uint64_t byte_offset;
};

// The struct without a version, which older libraries speak: it cannot say read-only.
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);  // may be null; may be called on any thread
};

// Bits of DLManagedTensorVersioned::flags.
inline constexpr uint64_t kReadOnly = 1u << 0;
inline constexpr uint64_t kIsCopied = 1u << 1;  // the consumer is the memory's only user
inline constexpr uint64_t kIsSubbyteTypePadded = 1u << 2;

struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);  // may be null; may be called on any thread
  uint64_t flags;
  DLTensor dl_tensor;
};

// The table behind Python's `__dlpack_c_exchange_api__`: conversions without a Python call. All
// answer 0, or -1 with a Python error set (managed_tensor_allocator: by calling set_error). Python
// objects are void*, so that this header needs no Python.
struct DLPackExchangeAPIHeader {
  DLPackVersion version;
  DLPackExchangeAPIHeader* prev_api;  // the table of an older major version, or null
};
struct DLPackExchangeAPI {
  DLPackExchangeAPIHeader header;
  // A new tensor with the prototype's dtype, device, ndim and shape.
  int (*managed_tensor_allocator)(DLTensor* prototype, DLManagedTensorVersioned** out,
                                  void* error_ctx,
                                  void (*set_error)(void* error_ctx, const char* kind,
                                                    const char* message));
  int (*managed_tensor_from_py_object_no_sync)(void* py_object, DLManagedTensorVersioned** out);
  int (*managed_tensor_to_py_object_no_sync)(DLManagedTensorVersioned* tensor,
                                             void** out_py_object);
  // Borrows: good while py_object lives and is not changed. May be null.
  int (*dltensor_from_py_object_no_sync)(void* py_object, DLTensor* out);
  int (*current_work_stream)(DLDeviceType device_type, int32_t device_id,
                             void** out_current_stream);
};

// The layout on 64-bit machines, byte for byte.
#define TENON_DLPACK_AT(type, field, offset) static_assert(offsetof(type, field) == (offset))
static_assert(sizeof(void*) == 8 && sizeof(int) == 4);
static_assert(sizeof(DLPackVersion) == 8 && sizeof(DLDevice) == 8 && sizeof(DLDataType) == 4);
TENON_DLPACK_AT(DLPackVersion, minor, 4);
TENON_DLPACK_AT(DLDevice, device_id, 4);
TENON_DLPACK_AT(DLDataType, bits, 1);
TENON_DLPACK_AT(DLDataType, lanes, 2);
static_assert(sizeof(DLTensor) == 48);
TENON_DLPACK_AT(DLTensor, data, 0);
TENON_DLPACK_AT(DLTensor, device, 8);
TENON_DLPACK_AT(DLTensor, ndim, 16);
TENON_DLPACK_AT(DLTensor, dtype, 20);
TENON_DLPACK_AT(DLTensor, shape, 24);
TENON_DLPACK_AT(DLTensor, strides, 32);
TENON_DLPACK_AT(DLTensor, byte_offset, 40);
static_assert(sizeof(DLManagedTensor) == 64);
TENON_DLPACK_AT(DLManagedTensor, dl_tensor, 0);
TENON_DLPACK_AT(DLManagedTensor, manager_ctx, 48);
TENON_DLPACK_AT(DLManagedTensor, deleter, 56);
static_assert(sizeof(DLManagedTensorVersioned) == 80);
TENON_DLPACK_AT(DLManagedTensorVersioned, version, 0);
TENON_DLPACK_AT(DLManagedTensorVersioned, manager_ctx, 8);
TENON_DLPACK_AT(DLManagedTensorVersioned, deleter, 16);
TENON_DLPACK_AT(DLManagedTensorVersioned, flags, 24);
TENON_DLPACK_AT(DLManagedTensorVersioned, dl_tensor, 32);
static_assert(sizeof(DLPackExchangeAPIHeader) == 16 && sizeof(DLPackExchangeAPI) == 56);
TENON_DLPACK_AT(DLPackExchangeAPIHeader, prev_api, 8);
TENON_DLPACK_AT(DLPackExchangeAPI, managed_tensor_allocator, 16);
TENON_DLPACK_AT(DLPackExchangeAPI, managed_tensor_from_py_object_no_sync, 24);
TENON_DLPACK_AT(DLPackExchangeAPI, managed_tensor_to_py_object_no_sync, 32);
TENON_DLPACK_AT(DLPackExchangeAPI, dltensor_from_py_object_no_sync, 40);
TENON_DLPACK_AT(DLPackExchangeAPI, current_work_stream, 48);
#undef TENON_DLPACK_AT

}  // namespace tenon::dlpack

#endif  // TENON_INTEROP_DLPACK_ABI_H_
