// What a fork does to Tenon: the child has one thread, and locks as they stood.
//
// Before a fork every lock of this floor is taken, afterwards released on both sides, so that the
// child finds nothing half changed. In the child open devices of backends that are not FORK_SAFE
// are marked unusable: their calls fail with "device opened before fork; use spawn". (The pool
// starts anew there by itself, see pool.cc.)
#ifndef TENON_DEVICE_FORK_H_
#define TENON_DEVICE_FORK_H_

namespace tenon {

// Idempotent; called when the registry or a device comes to life.
void install_fork_handlers();

}  // namespace tenon

#endif  // TENON_DEVICE_FORK_H_
