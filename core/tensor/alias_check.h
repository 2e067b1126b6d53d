// TENON_CHECK_ALIAS=1: backward notices writes that did not go through Tenon.
//
// Memory that is shared with others (exported by to_numpy() or DLPack, or taken in by from_numpy())
// may be written behind Tenon's back, and no version counts that: gradients of operations that
// saved the value would be silently wrong. In this debug mode such storage is marked, and its
// checksum is kept with its version; wherever a value is saved for backward or used by it, a
// checksum that changed while the version did not counts as a write. So backward raises the error
// that it raises for an in-place write.
//
// Off (the default) nothing is ever marked, and the check is one test of a byte. On, every save and
// use reads all of a marked storage. Gaps between the elements count as its bytes. Thread-safe.
#ifndef TENON_TENSOR_ALIAS_CHECK_H_
#define TENON_TENSOR_ALIAS_CHECK_H_

#include "tenon/tensor/storage.h"

namespace tenon {

class Tensor;

// Others may write x's memory from now on. No-op unless TENON_CHECK_ALIAS is 1 (read once), and for
// memory that is read-only or not the host's.
void mark_externally_writable(const Tensor& x);

void count_external_write(Storage& storage);
// Counts a write if the bytes are others than they were at this version.
inline void check_alias(Storage& storage) {
  if (__builtin_expect(storage.externally_writable, 0)) count_external_write(storage);
}

}  // namespace tenon

#endif  // TENON_TENSOR_ALIAS_CHECK_H_
