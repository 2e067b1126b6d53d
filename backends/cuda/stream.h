// Streams and events.
//
// CUDA reports a failure of asynchronous work from every later call on the context and never gets
// over it: there are no errors of one stream, only lost devices (device.h).
#ifndef TENON_BACKENDS_CUDA_STREAM_H_
#define TENON_BACKENDS_CUDA_STREAM_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

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

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_STREAM_H_
