/* A libOpenCL for tests: the functions that the plug-in asks for, on host memory, synchronously. A
 * launch computes nothing. */
#include "tests/opencl/fake_opencl.h"

#include <stdlib.h>
#include <string.h>

#include "backends/opencl/cl_api.h"

#define API __attribute__((visibility("default")))

static FakeOpencl fake;
static int lost;
static char platform, device, context, program, kernel;

struct _cl_mem {
  cl_context context;
  size_t bytes;
  int references;
  char data[];
};
struct _cl_command_queue {
  cl_context context;
  int references;
};
struct _cl_event {
  int references, status;
};

API FakeOpencl* tenon_fake_opencl(void) { return &fake; }

static cl_int now(void) { return lost ? CL_DEVICE_NOT_AVAILABLE : CL_SUCCESS; }
/* Counts down; 1 when it has arrived. */
static int arrives(int* countdown) { return *countdown > 0 && --*countdown == 0; }

static cl_int answer(const void* from, size_t bytes, size_t room, void* value, size_t* size) {
  if (size != NULL) *size = bytes;
  if (value == NULL) return CL_SUCCESS;
  if (room < bytes) return CL_INVALID_VALUE;
  memcpy(value, from, bytes);
  return CL_SUCCESS;
}
static cl_int text(const char* from, size_t room, void* value, size_t* size) {
  return answer(from, strlen(from) + 1, room, value, size);
}
static cl_int command(cl_event* event, int status) {
  if (event == NULL) return CL_SUCCESS;
  *event = malloc(sizeof **event);
  (*event)->references = 1;
  (*event)->status = status;
  ++fake.live_events;
  return CL_SUCCESS;
}
static void* made(void* it, int* live, cl_int* result) {
  *result = now();
  if (*result != CL_SUCCESS) return NULL;
  ++*live;
  return it;
}
static cl_int gone(int* live) {
  --*live;
  return CL_SUCCESS;
}

API cl_int clGetPlatformIDs(cl_uint room, cl_platform_id* ids, cl_uint* count) {
  if (count != NULL) *count = (cl_uint)fake.platforms;
  if (fake.platforms == 0) return CL_PLATFORM_NOT_FOUND_KHR;
  if (room > 0) ids[0] = (cl_platform_id)&platform;
  lost = 0;
  return CL_SUCCESS;
}
API cl_int clGetPlatformInfo(cl_platform_id id, cl_uint what, size_t room, void* value,
                             size_t* size) {
  (void)id;
  return text(what == CL_PLATFORM_NAME ? fake.platform : "OpenCL 3.0 fake", room, value, size);
}
API cl_int clGetDeviceIDs(cl_platform_id id, cl_bitfield type, cl_uint room, cl_device_id* ids,
                          cl_uint* count) {
  (void)id, (void)type;
  if (count != NULL) *count = 1;
  if (room > 0) ids[0] = (cl_device_id)&device;
  return CL_SUCCESS;
}
API cl_int clGetDeviceInfo(cl_device_id id, cl_uint what, size_t room, void* value, size_t* size) {
  const cl_ulong memory = 1 << 30, bits = 0xff;
  const cl_uint yes = 1, alignment = 1024;
  const size_t group = 256, arguments = (size_t)fake.max_argument_bytes;
  (void)id;
  switch (what) {
    case CL_DEVICE_NAME:
      return text("Fake device", room, value, size);
    case CL_DEVICE_VERSION:
      return text(fake.version, room, value, size);
    case CL_DRIVER_VERSION:
      return text(fake.driver, room, value, size);
    case CL_DEVICE_EXTENSIONS:
      return text("cl_khr_fp64", room, value, size);
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
    case CL_DEVICE_LOCAL_MEM_SIZE:
      return answer(&memory, sizeof memory, room, value, size);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
      return answer(&group, sizeof group, room, value, size);
    case CL_DEVICE_MAX_PARAMETER_SIZE:
      return answer(&arguments, sizeof arguments, room, value, size);
    case CL_DEVICE_TYPE:
    case CL_DEVICE_SINGLE_FP_CONFIG:
    case CL_DEVICE_DOUBLE_FP_CONFIG:
      return answer(&bits, sizeof bits, room, value, size);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN:
      return answer(&alignment, sizeof alignment, room, value, size);
    default:
      return answer(&yes, sizeof yes, room, value, size);
  }
}
API cl_context clCreateContext(const intptr_t* properties, cl_uint n, const cl_device_id* ids,
                               void (*notify)(const char*, const void*, size_t, void*), void* user,
                               cl_int* result) {
  (void)properties, (void)n, (void)ids, (void)notify, (void)user;
  return made(&context, &fake.live_contexts, result);
}
API cl_int clReleaseContext(cl_context c) {
  (void)c;
  return gone(&fake.live_contexts);
}
API cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_bitfield properties,
                                          cl_int* result) {
  cl_command_queue q;
  (void)d;
  *result = properties != 0 ? CL_INVALID_VALUE : now(); /* in order */
  if (*result != CL_SUCCESS) return NULL;
  q = malloc(sizeof *q);
  q->context = c;
  q->references = 1;
  ++fake.live_queues;
  return q;
}
API cl_int clRetainCommandQueue(cl_command_queue q) {
  ++q->references;
  return CL_SUCCESS;
}
API cl_int clReleaseCommandQueue(cl_command_queue q) {
  if (--q->references > 0) return CL_SUCCESS;
  free(q);
  return gone(&fake.live_queues);
}
API cl_int clGetCommandQueueInfo(cl_command_queue q, cl_uint what, size_t room, void* value,
                                 size_t* size) {
  if (q == NULL || what != CL_QUEUE_CONTEXT) return CL_INVALID_COMMAND_QUEUE;
  return answer(&q->context, sizeof q->context, room, value, size);
}
API cl_int clFlush(cl_command_queue q) {
  (void)q;
  return now();
}
API cl_int clFinish(cl_command_queue q) {
  (void)q;
  return now();
}
API cl_mem clCreateBuffer(cl_context c, cl_bitfield flags, size_t bytes, void* data,
                          cl_int* result) {
  *result = arrives(&fake.fail_alloc_at) ? CL_MEM_OBJECT_ALLOCATION_FAILURE : now();
  if (*result != CL_SUCCESS) return NULL;
  cl_mem memory = malloc(sizeof *memory + bytes);
  memory->context = c;
  memory->bytes = bytes;
  memory->references = 1;
  if ((flags & CL_MEM_COPY_HOST_PTR) != 0) memcpy(memory->data, data, bytes);
  ++fake.live_buffers;
  return memory;
}
API cl_int clRetainMemObject(cl_mem memory) {
  ++memory->references;
  return CL_SUCCESS;
}
API cl_int clReleaseMemObject(cl_mem memory) {
  if (--memory->references > 0) return CL_SUCCESS;
  free(memory);
  return gone(&fake.live_buffers);
}
API cl_int clGetMemObjectInfo(cl_mem memory, cl_uint what, size_t room, void* value, size_t* size) {
  if (memory == NULL) return CL_INVALID_MEM_OBJECT;
  if (what == CL_MEM_CONTEXT)
    return answer(&memory->context, sizeof memory->context, room, value, size);
  return answer(&memory->bytes, sizeof memory->bytes, room, value, size);
}
API cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem from, cl_bool blocking, size_t offset,
                               size_t bytes, void* to, cl_uint n, const cl_event* waits,
                               cl_event* event) {
  (void)q, (void)blocking, (void)n, (void)waits;
  if (lost) return now();
  if (offset + bytes > from->bytes) return CL_INVALID_VALUE;
  memcpy(to, from->data + offset, bytes);
  return command(event, CL_COMPLETE);
}
API cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem to, cl_bool blocking, size_t offset,
                                size_t bytes, const void* from, cl_uint n, const cl_event* waits,
                                cl_event* event) {
  (void)q, (void)blocking, (void)n, (void)waits;
  if (lost) return now();
  if (offset + bytes > to->bytes) return CL_INVALID_VALUE;
  memcpy(to->data + offset, from, bytes);
  return command(event, CL_COMPLETE);
}
API cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem from, cl_mem to, size_t from_offset,
                               size_t to_offset, size_t bytes, cl_uint n, const cl_event* waits,
                               cl_event* event) {
  (void)q, (void)n, (void)waits;
  if (lost) return now();
  if (from_offset + bytes > from->bytes || to_offset + bytes > to->bytes) return CL_INVALID_VALUE;
  memcpy(to->data + to_offset, from->data + from_offset, bytes);
  return command(event, CL_COMPLETE);
}
API cl_program clCreateProgramWithSource(cl_context c, cl_uint n, const char** source,
                                         const size_t* lengths, cl_int* result) {
  (void)c, (void)n, (void)source, (void)lengths;
  return made(&program, &fake.live_programs, result);
}
static int from_binary;
API cl_program clCreateProgramWithBinary(cl_context c, cl_uint n, const cl_device_id* ids,
                                         const size_t* lengths, const unsigned char** binaries,
                                         cl_int* status, cl_int* result) {
  (void)c, (void)n, (void)ids;
  if (fake.refuse_binaries || lengths[0] != 6 || memcmp(binaries[0], "BINARY", 6) != 0) {
    *result = *status = CL_INVALID_BINARY;
    return NULL;
  }
  *status = CL_SUCCESS;
  from_binary = 1;
  ++fake.binaries;
  return made(&program, &fake.live_programs, result);
}
API cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id* ids, const char* options,
                          void (*notify)(cl_program, void*), void* user) {
  (void)p, (void)n, (void)ids, (void)notify, (void)user;
  if (!from_binary) ++fake.builds;
  strncpy(fake.options, options, sizeof fake.options - 1);
  from_binary = 0;
  return arrives(&fake.fail_build_at) ? CL_BUILD_PROGRAM_FAILURE : now();
}
API cl_int clGetProgramInfo(cl_program p, cl_uint what, size_t room, void* value, size_t* size) {
  const size_t bytes = 6;
  (void)p;
  if (what == CL_PROGRAM_BINARY_SIZES) return answer(&bytes, sizeof bytes, room, value, size);
  memcpy(*(unsigned char**)value, "BINARY", 6);
  return CL_SUCCESS;
}
API cl_int clGetProgramBuildInfo(cl_program p, cl_device_id id, cl_uint what, size_t room,
                                 void* value, size_t* size) {
  (void)p, (void)id, (void)what;
  return text("line 7: the compiler is in a bad mood", room, value, size);
}
API cl_int clReleaseProgram(cl_program p) {
  (void)p;
  return gone(&fake.live_programs);
}
API cl_kernel clCreateKernel(cl_program p, const char* name, cl_int* result) {
  (void)p, (void)name;
  return made(&kernel, &fake.live_kernels, result);
}
API cl_int clReleaseKernel(cl_kernel k) {
  (void)k;
  return gone(&fake.live_kernels);
}
API cl_int clSetKernelArg(cl_kernel k, cl_uint number, size_t bytes, const void* value) {
  (void)k, (void)value, (void)bytes;
  fake.launch_arguments = (int)number + 1;
  return now();
}
API cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                  const size_t* offset, const size_t* global, const size_t* local,
                                  cl_uint n, const cl_event* waits, cl_event* event) {
  (void)q, (void)k, (void)dimensions, (void)offset, (void)n, (void)waits;
  if (lost) return now();
  if (local[0] > 256 || global[0] % local[0] != 0) return CL_INVALID_WORK_GROUP_SIZE;
  if (arrives(&fake.fail_launch_at)) return CL_OUT_OF_RESOURCES;
  ++fake.launches;
  lost = arrives(&fake.lose_at_launch); /* late: this call still says yes */
  return command(event, arrives(&fake.fault_at_launch) ? CL_OUT_OF_RESOURCES
                        : lost                         ? CL_DEVICE_NOT_AVAILABLE
                                                       : CL_COMPLETE);
}
API cl_int clEnqueueMarkerWithWaitList(cl_command_queue q, cl_uint n, const cl_event* waits,
                                       cl_event* event) {
  (void)q, (void)n, (void)waits;
  return lost ? now() : command(event, CL_COMPLETE);
}
API cl_int clEnqueueBarrierWithWaitList(cl_command_queue q, cl_uint n, const cl_event* waits,
                                        cl_event* event) {
  (void)q, (void)n, (void)waits;
  return lost ? now() : command(event, CL_COMPLETE);
}
API cl_int clWaitForEvents(cl_uint n, const cl_event* events) {
  (void)n, (void)events;
  return now();
}
API cl_int clGetEventInfo(cl_event event, cl_uint what, size_t room, void* value, size_t* size) {
  const cl_int status = event->status < 0 ? event->status : fake.busy ? 1 : CL_COMPLETE;
  (void)what;
  return answer(&status, sizeof status, room, value, size);
}
API cl_int clRetainEvent(cl_event event) {
  ++event->references;
  return CL_SUCCESS;
}
API cl_int clReleaseEvent(cl_event event) {
  if (--event->references > 0) return CL_SUCCESS;
  free(event);
  return gone(&fake.live_events);
}
