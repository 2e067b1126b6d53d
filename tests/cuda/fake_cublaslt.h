/* What tests tell the fake cuBLASLt, and what it saw. */
#ifndef TENON_TESTS_CUDA_FAKE_CUBLASLT_H_
#define TENON_TESTS_CUDA_FAKE_CUBLASLT_H_

typedef struct FakeCublasLt {
  int fail_create;
  int live_handles, searches, products, last_compute;
} FakeCublasLt;

/* The one of the process; its symbol in the library is tenon_fake_cublaslt. */
typedef FakeCublasLt* (*FakeCublasLtFn)(void);

#endif /* TENON_TESTS_CUDA_FAKE_CUBLASLT_H_ */
