// Streams and events.
//
// CUDA reports a failure of asynchronous work from every later call on the context and never gets
// over it: there are no errors of one stream, only lost devices (device.h).
#ifndef TENON_BACKENDS_CUDA_STREAM_H_
#define TENON_BACKENDS_CUDA_STREAM_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

extern const TenonStreamOps kStreams;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_STREAM_H_
