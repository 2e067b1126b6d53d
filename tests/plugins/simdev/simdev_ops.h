/* Extension "tenon.simdev" version 1: makes the asynchrony of simdev visible without relying on
 * time. */
#ifndef TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_OPS_H_
#define TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_OPS_H_

#include "tenon/abi/tenon_backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SimdevOps {
  uint32_t size, reserved;
  /* While held (1), the stream starts no operation; a sync on it waits for ever. Released (0) it
   * goes on. */
  void (*hold)(TenonDevice, TenonStream, int32_t held) TENON_NOEXCEPT;
  /* The address of a buffer's bytes, which only running operations may touch. NULL if there is no
   * such buffer. */
  void* (*address)(TenonDevice, TenonBuffer)TENON_NOEXCEPT;
} SimdevOps;

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_OPS_H_ */
