// Region: a piece of simulated device memory that only a running operation can touch.
//
// The pages are PROT_NONE except between Open and Close, which nest and count, since operations of
// several streams may use one region at a time. Handles are numbers that are no addresses: a host
// that takes a handle, or an address that it saw earlier, for readable memory gets SIGSEGV.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_REGION_H_
#define TENON_TESTS_PLUGINS_SIMDEV_REGION_H_

#include <cstdint>
#include <memory>
#include <mutex>

namespace simdev {

class Region {
 public:
  // nullptr when the system has no memory. New memory holds a pattern (NaN as any float) rather
  // than zeros.
  static std::shared_ptr<Region> Map(uint64_t bytes);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  uint64_t bytes() const { return bytes_; }  // as asked for; the mapping is whole pages
  char* address() const { return address_; }

  // False: the region has been freed, which a correct core does not do before its last use.
  bool Open();
  bool Close();  // always closes
  void Free();   // from now on it cannot be opened; unmapped with the last reference

 private:
  Region(char* address, uint64_t bytes, uint64_t mapped)
      : address_(address), bytes_(bytes), mapped_(mapped) {}

  char* const address_;
  const uint64_t bytes_;
  const uint64_t mapped_;
  std::mutex mutex_;
  int users_ = 0;
  bool freed_ = false;
};

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_REGION_H_
