#include "tests/plugins/simdev/stream.h"

#include <chrono>
#include <utility>

namespace simdev {

Stream::Stream(const Delay& delay, std::shared_ptr<std::atomic<bool>> lost)
    : delay_(delay), lost_(std::move(lost)), random_(delay.seed), worker_([this] { Work(); }) {}

void Stream::Push(Operation operation) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(operation));
  changed_.notify_all();
}

void Stream::Enqueue(std::function<Fault()> operation) { Push({std::move(operation), nullptr}); }
void Stream::EnqueueMarker(std::function<void(const Fault&)> marker) {
  Push({nullptr, std::move(marker)});
}

void Stream::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock,
                  [this] { return (!queue_.empty() && !held_) || (queue_.empty() && stopping_); });
    if (queue_.empty()) return;
    Operation operation = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    const Fault before = sticky_;
    lock.unlock();
    Fault fault;
    if (operation.mark) {
      operation.mark(before);
    } else if (before.code == TENON_OK && !*lost_) {
      if (delay_.max_us > 0 && random_() % delay_.one_in == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % (delay_.max_us + 1)));
      }
      fault = operation.run();
      if (fault.code == TENON_DEVICE_LOST) *lost_ = true;
    }
    operation = {};  // what it kept alive goes before the stream counts as idle
    lock.lock();
    if (fault.code != TENON_OK) sticky_ = std::move(fault);
    busy_ = false;
    changed_.notify_all();
  }
}

Fault Stream::Sync() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
  Fault fault = sticky_;
  if (sticky_.code != TENON_DEVICE_LOST) sticky_ = {};
  return fault;
}

Fault Stream::Query() {
  std::lock_guard lock(mutex_);
  if (sticky_.code != TENON_OK) return sticky_;
  if (!queue_.empty() || busy_) return {TENON_NOT_READY, "simdev: the stream has work to do"};
  return {};
}

Fault Stream::Sticky() {
  std::lock_guard lock(mutex_);
  return sticky_;
}

void Stream::Hold(bool held) {
  std::lock_guard lock(mutex_);
  held_ = held;
  changed_.notify_all();
}

void Stream::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    held_ = false;
    changed_.notify_all();
  }
  worker_.join();
}

uint64_t Event::Record() {
  std::lock_guard lock(mutex_);
  return ++recorded_;
}

void Event::Complete(uint64_t record, const Fault& fault) {
  std::lock_guard lock(mutex_);
  if (record <= completed_) return;
  completed_ = record;
  fault_ = fault;
  changed_.notify_all();
}

uint64_t Event::Latest() {
  std::lock_guard lock(mutex_);
  return recorded_;
}

Fault Event::Wait(uint64_t record) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return completed_ >= record; });
  return fault_;
}

Fault Event::Query() {
  std::lock_guard lock(mutex_);
  if (completed_ < recorded_) return {TENON_NOT_READY, "simdev: the event has not happened"};
  return fault_;
}

}  // namespace simdev
