// Stream: a worker thread that runs operations in order, late, and remembers the first that failed.
// Event: a point in a stream that the host and other streams can wait for.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_STREAM_H_
#define TENON_TESTS_PLUGINS_SIMDEV_STREAM_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "tenon/abi/tenon_backend.h"

namespace simdev {

struct Fault {
  TenonStatus code = TENON_OK;
  std::string message;
};

// Of `one_in` operations one, chosen at random, sleeps for 0 to max_us microseconds first.
struct Delay {
  uint32_t max_us = 50;
  uint32_t one_in = 4;
  uint32_t seed = 1;
};

class Stream {
 public:
  // `lost` is the device's: set by an operation that fails with DEVICE_LOST, and then nothing runs
  // any more.
  Stream(const Delay& delay, std::shared_ptr<std::atomic<bool>> lost);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // An operation; skipped while the stream carries an error.
  void Enqueue(std::function<Fault()> operation);
  // Events: run even then, with the stream's error.
  void EnqueueMarker(std::function<void(const Fault&)> marker);

  Fault Sync();    // waits; reports the error and clears it
  Fault Query();   // NOT_READY, or the error
  Fault Sticky();  // the error so far

  void Hold(bool held);  // a held stream starts no operation
  void Stop();           // runs what is queued, ends the worker; the last call

 private:
  struct Operation {
    std::function<Fault()> run;
    std::function<void(const Fault&)> mark;
  };

  void Work();
  void Push(Operation operation);

  const Delay delay_;
  const std::shared_ptr<std::atomic<bool>> lost_;
  std::minstd_rand random_;  // the worker's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Operation> queue_;
  Fault sticky_;
  bool busy_ = false, held_ = false, stopping_ = false;
  std::thread worker_;  // last: it uses all of the above
};

class Event {
 public:
  // The number of a new record, to be completed by the stream.
  uint64_t Record();
  void Complete(uint64_t record, const Fault& fault);
  // The number of the latest record, 0 if there is none.
  uint64_t Latest();
  // Waits for that record; gives the error of the work before it.
  Fault Wait(uint64_t record);
  Fault Query();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t recorded_ = 0, completed_ = 0;
  Fault fault_;
};

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_STREAM_H_
