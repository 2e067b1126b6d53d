/* What tests tell the fake driver; each field is read at the call that it concerns. */
#ifndef TENON_TESTS_CUDA_FAKE_DRIVER_H_
#define TENON_TESTS_CUDA_FAKE_DRIVER_H_

#ifdef __cplusplus
extern "C" {
#endif

enum { FAKE_MAX_DEVICES = 4 };

typedef struct FakeDriver {
  int version;         /* cuDriverGetVersion's answer: 13000 */
  int init_result;     /* cuInit's */
  int devices;         /* cuDeviceGetCount's */
  int crash_in_init;   /* cuInit ends its process by a signal */
  int fail_alloc_at;   /* the n-th next cuMemAlloc finds no memory; 0: none */
  int fail_pinned;     /* cuMemHostAlloc finds no memory */
  int fail_launch_at;  /* the n-th next launch is refused at once, with 701 */
  int fault_at_launch; /* the n-th next launch makes every later call on its context fail with 700
                        */
  int refuse_images;   /* cuModuleLoadData takes nothing: made by a newer toolkit */
  int busy;            /* queries answer "not ready" */
  int ended;           /* as while the process ends: every call answers "deinitialized" */
  /* what happened */
  int initialised_in; /* the process that called cuInit */
  int live_allocations, live_pinned, live_streams, live_events, live_modules, live_contexts;
  int launches, unknown_kernels;
  unsigned last_blocks, last_threads;
  char last_kernel[128];
  int context_depth; /* pushed, by all threads together */
  int staged_copies; /* to the device, from pinned memory */
  int host_waits;    /* for a stream or an event */
  /* by the latest wait of a stream for an event: the stream, and the one the event was recorded on
   */
  void *waiting_stream, *earlier_stream;
} FakeDriver;

/* The one fake driver of the process; its symbol in the library is tenon_fake_driver. */
typedef FakeDriver* (*FakeDriverFn)(void);

#ifdef __cplusplus
}
#endif
#endif /* TENON_TESTS_CUDA_FAKE_DRIVER_H_ */
