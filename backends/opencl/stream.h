// Streams and events of the ABI, over in-order queues and markers.
#ifndef TENON_BACKENDS_OPENCL_STREAM_H_
#define TENON_BACKENDS_OPENCL_STREAM_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_opencl {

TenonStatus StreamCreate(TenonDevice, int32_t priority, TenonStream*, TenonError*) noexcept;
void StreamDestroy(TenonDevice, TenonStream) noexcept;
TenonStatus StreamSync(TenonDevice, TenonStream, TenonError*) noexcept;
TenonStatus StreamQuery(TenonDevice, TenonStream, TenonError*) noexcept;
TenonStatus EventCreate(TenonDevice, TenonEvent*, TenonError*) noexcept;
void EventDestroy(TenonDevice, TenonEvent) noexcept;
TenonStatus EventRecord(TenonDevice, TenonStream, TenonEvent, TenonError*) noexcept;
TenonStatus EventWait(TenonDevice, TenonStream, TenonEvent, TenonError*) noexcept;
TenonStatus EventSync(TenonDevice, TenonEvent, TenonError*) noexcept;
TenonStatus EventQuery(TenonDevice, TenonEvent, TenonError*) noexcept;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_STREAM_H_
