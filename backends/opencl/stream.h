// Streams and events of the ABI, over in-order queues and markers.
#ifndef TENON_BACKENDS_OPENCL_STREAM_H_
#define TENON_BACKENDS_OPENCL_STREAM_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_opencl {

extern const TenonStreamOps kStreams;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_STREAM_H_
