/* What tests tell the fake driver; each field is read at the call that it concerns. */
#ifndef TENON_TESTS_CUDA_FAKE_DRIVER_H_
#define TENON_TESTS_CUDA_FAKE_DRIVER_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FakeDriver {
  int version;         /* cuDriverGetVersion's answer: 13000 */
  int init_result;     /* cuInit's */
  int devices;         /* cuDeviceGetCount's */
  int fail_alloc_at;   /* the n-th next cuMemAlloc finds no memory; 0: none */
  int fault_at_launch; /* the n-th next launch makes every later call on the context fail with 700
                        */
  int busy;            /* queries answer "not ready" */
  /* what happened */
  int live_allocations, live_streams, live_events, live_modules, live_contexts, launches;
  unsigned last_blocks, last_threads;
  int context_depth; /* pushed by this thread */
} FakeDriver;

/* The one fake driver of the process; its symbol in the library is tenon_fake_driver. */
typedef FakeDriver* (*FakeDriverFn)(void);

#ifdef __cplusplus
}
#endif
#endif /* TENON_TESTS_CUDA_FAKE_DRIVER_H_ */
