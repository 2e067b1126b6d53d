// The pool's part in a fork; called by fork.cc only.
#ifndef TENON_DEVICE_POOL_FORK_H_
#define TENON_DEVICE_POOL_FORK_H_

namespace tenon::detail {

void pool_before_fork();
void pool_after_fork_in_parent();
void pool_after_fork_in_child();

}  // namespace tenon::detail

#endif  // TENON_DEVICE_POOL_FORK_H_
