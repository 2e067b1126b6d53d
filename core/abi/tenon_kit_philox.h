/* tenon_kit_philox.h -- Philox4x32-10, the counter-based generator behind TENON_OP_PHILOX.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011;
 * constants as there. Pure: the same counter and key give the same bits on every device, in any
 * order. C99 and C++17. */
#ifndef TENON_KIT_PHILOX_H_
#define TENON_KIT_PHILOX_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Replaces the four counter words by four words of random bits. */
static inline void tenon_philox4x32_10(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  int round;
  for (round = 0; round < 10; ++round) {
    const uint64_t product0 = (uint64_t)0xD2511F53u * counter[0];
    const uint64_t product1 = (uint64_t)0xCD9E8D57u * counter[2];
    counter[0] = (uint32_t)(product1 >> 32) ^ counter[1] ^ key0;
    counter[1] = (uint32_t)product1;
    counter[2] = (uint32_t)(product0 >> 32) ^ counter[3] ^ key1;
    counter[3] = (uint32_t)product0;
    key0 += 0x9E3779B9u; /* the golden ratio */
    key1 += 0xBB67AE85u; /* sqrt(3) - 1 */
  }
}

/* TENON_OP_PHILOX: word (counter mod 4) of block (counter div 4). */
static inline uint32_t tenon_philox_word(uint64_t counter, uint64_t key) {
  uint32_t words[4];
  words[0] = (uint32_t)(counter >> 2);
  words[1] = (uint32_t)(counter >> 34);
  words[2] = 0;
  words[3] = 0;
  tenon_philox4x32_10(words, (uint32_t)key, (uint32_t)(key >> 32));
  return words[counter & 3u];
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_KIT_PHILOX_H_ */
