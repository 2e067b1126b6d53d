#include "tenon/device/fork.h"

#include <pthread.h>

#include <mutex>
#include <vector>

#include "tenon/device/backend.h"
#include "tenon/device/fallback.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/pinned.h"
#include "tenon/device/plan_cache.h"
#include "tenon/device/registry.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace {

bool fork_safe(const DeviceState& d) { return (d.tables->flags & TENON_BACKEND_FORK_SAFE) != 0; }

// Locks never nest elsewhere, so any order is right. A device that will be unusable in the child
// need not wait for the call it may be in.
constinit std::mutex one_fork_at_a_time;  // guards what follows
constinit std::vector<DeviceState*>* locked = nullptr;
constinit Registry* locked_registry = nullptr;

void before_fork() {
  one_fork_at_a_time.lock();
  locked = new std::vector<DeviceState*>(opened_devices());
  locked_registry = Registry::existing();
  if (locked_registry) locked_registry->mutex().lock();
  detail::fallback_mutex().lock();
  for (DeviceState* d : *locked) {
    d->streams->mutex().lock();
    d->plans->mutex().lock();
    d->memory->lock().lock();
    d->pinned->mutex().lock();
    if (d->serialize && fork_safe(*d)) d->mutex.lock();
  }
}

void unlock_all() {
  for (DeviceState* d : *locked) {
    if (d->serialize && fork_safe(*d)) d->mutex.unlock();
    d->pinned->mutex().unlock();
    d->memory->lock().unlock();
    d->plans->mutex().unlock();
    d->streams->mutex().unlock();
  }
  detail::fallback_mutex().unlock();
  if (locked_registry) locked_registry->mutex().unlock();
  delete locked;
  one_fork_at_a_time.unlock();
}

void after_fork_in_child() {
  for (DeviceState* d : opened_devices()) {
    if (!fork_safe(*d)) d->unusable.store(true);
  }
  unlock_all();
}

}  // namespace

void install_fork_handlers() {
  static const int installed = pthread_atfork(before_fork, unlock_all, after_fork_in_child);
  (void)installed;
}

}  // namespace tenon
