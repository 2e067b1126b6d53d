// Registry: all candidates of this process and what became of them. Inside the device floor.
//
// Listing reads directory entries only; a plugin is loaded when its name is first asked for, or
// when all are (devices(), backend_reports()). Nothing that a plugin does wrong is fatal: its
// candidate ends with a reason. The first candidate of a name that passes every check wins; later
// ones are shadowed. The registry's lock is held neither in dlopen nor in a plugin.
#ifndef TENON_DEVICE_REGISTRY_H_
#define TENON_DEVICE_REGISTRY_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/device/backend.h"
#include "tenon/device/loader.h"

namespace tenon {

class Registry {
 public:
  explicit Registry(LoaderSettings settings);
  ~Registry();  // for tests that open no device of it; the global one stays
  static Registry& global();
  static Registry* existing();  // global(), if it is there already

  // Loads what is needed to answer; nullptr if no sound backend has that name.
  Backend* find(std::string_view name);
  // Loads an explicitly named file; throws kDevice with the reason if it is refused.
  Backend& load_file(const std::string& path);
  // Loads every candidate; the winners in search order.
  std::vector<Backend*> all();
  // Loads every candidate; in search order.
  std::vector<BackendReport> reports();
  // Every candidate and what is known of it by now, a line each; for messages. Loads nothing.
  std::string tried();

  std::mutex& mutex() { return mutex_; }  // for fork.cc

 private:
  struct Candidate;
  enum class Origin { kOverride, kBuiltin, kExplicit, kDirectory };

  Candidate* add(Origin origin, std::string name, std::string path, TenonEntryFn entry);
  std::vector<Candidate*> candidates();
  Backend* winner(std::string_view name);
  void load(Candidate& candidate);
  BackendReport try_load(Candidate& candidate, std::unique_ptr<Backend>* backend);
  bool claim_file(Candidate& candidate, const PluginFile& file, std::string* first_path);
  std::string shadowed_reason(const std::string& name, const std::string& path);

  const LoaderSettings settings_;
  std::mutex mutex_;  // guards what follows and the candidates' reports
  std::vector<std::unique_ptr<Candidate>> candidates_;  // in search order
  std::map<std::string, Backend*, std::less<>> winners_;
};

}  // namespace tenon

#endif  // TENON_DEVICE_REGISTRY_H_
