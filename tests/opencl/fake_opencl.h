/* What tests tell the fake OpenCL; each field is read at the call that it concerns. */
#ifndef TENON_TESTS_OPENCL_FAKE_OPENCL_H_
#define TENON_TESTS_OPENCL_FAKE_OPENCL_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FakeOpencl {
  int platforms;        /* clGetPlatformIDs' answer; 0: no driver installed */
  const char* platform; /* its name */
  const char* version;  /* of the device: "OpenCL 3.0 fake" */
  const char* driver;   /* version of the driver */
  int max_argument_bytes;
  int fail_alloc_at;   /* the n-th next clCreateBuffer finds no memory; 0: none */
  int fail_build_at;   /* the n-th next build from source fails with a log */
  int refuse_binaries; /* clCreateProgramWithBinary says CL_INVALID_BINARY */
  int fail_launch_at;  /* the n-th next launch is refused with CL_OUT_OF_RESOURCES */
  int fault_at_launch; /* the n-th next launch is taken, and its event ends with -5 */
  int lose_at_launch; /* the n-th next launch is taken; then every call says CL_DEVICE_NOT_AVAILABLE
                       */
  int busy;           /* commands are still running */
  /* what happened */
  int live_buffers, live_queues, live_contexts, live_programs, live_kernels, live_events;
  char options[256]; /* of the latest build */
  int builds, binaries, launches, launch_arguments;
} FakeOpencl;

/* The one fake of the process; its symbol in the library is tenon_fake_opencl. */
typedef FakeOpencl* (*FakeOpenclFn)(void);

#ifdef __cplusplus
}
#endif
#endif /* TENON_TESTS_OPENCL_FAKE_OPENCL_H_ */
