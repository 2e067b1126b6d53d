#include "tenon/device/registry.h"

#include <algorithm>

#include "tenon/device/fork.h"
#include "tenon/device/host_services.h"

namespace tenon {

struct Registry::Candidate {
  Origin origin;
  TenonEntryFn entry = nullptr;  // of a built-in
  std::string file_name;         // the backend its file is named for; empty for a built-in
  Once loading;
  uint64_t device = 0, inode = 0;  // of the file, once looked at
  void* handle = nullptr;          // of dlopen
  BackendReport report;            // under the registry's lock
};

namespace {

std::string describe(const BackendReport& r) {
  static constexpr const char* states[] = {"found, not opened yet", "loaded", "refused", "disabled",
                                           "shadowed"};
  std::string text =
      concat_text(r.name.empty() ? "(built in)" : r.name, ": ",
                  r.path.empty() ? "built in" : r.path, ": ", states[static_cast<int>(r.state)]);
  if (r.state == BackendReport::State::kLoaded)
    text += concat_text(", ", r.devices, r.devices == 1 ? " device" : " devices");
  if (!r.reason.empty()) text += concat_text(": ", r.reason);
  return text;
}

}  // namespace

Registry::Registry(LoaderSettings settings) : settings_(std::move(settings)) {
  for (const auto& [name, path] : settings_.overrides) add(Origin::kOverride, name, path, nullptr);
  for (TenonEntryFn entry : settings_.builtin) add(Origin::kBuiltin, "", "", entry);
  for (const std::string& directory : settings_.directories) {
    if (settings_.log) say_line(concat_text("loader: looking into ", directory));
    for (const std::string& path : list_candidates(directory)) {
      add(Origin::kDirectory, backend_name_of_file(path), path, nullptr);
    }
  }
}

Registry::~Registry() {
  for (auto& [name, backend] : winners_) delete backend;
}

namespace {
constinit std::atomic<Registry*> global_registry{nullptr};
}  // namespace

Registry& Registry::global() {
  static Registry* registry = [] {
    install_fork_handlers();
    auto* made = new Registry(
        settings_from_environment());  // leaked: plugins may call back until the very end
    global_registry.store(made);
    return made;
  }();
  return *registry;
}

Registry* Registry::existing() { return global_registry.load(); }

Registry::Candidate* Registry::add(Origin origin, std::string name, std::string path,
                                   TenonEntryFn entry) {
  auto candidate = std::make_unique<Candidate>();
  candidate->origin = origin;
  candidate->entry = entry;
  candidate->file_name = name;
  candidate->report.name = std::move(name);
  candidate->report.path = std::move(path);
  candidate->report.state = BackendReport::State::kFound;
  Candidate* result = candidate.get();
  // Explicit files come in late, and belong after the built-ins.
  const auto behind = std::find_if(candidates_.begin(), candidates_.end(),
                                   [&](const auto& other) { return other->origin > origin; });
  candidates_.insert(behind, std::move(candidate));
  return result;
}

std::vector<Registry::Candidate*> Registry::candidates() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Candidate*> result;
  for (const auto& c : candidates_) result.push_back(c.get());
  return result;
}

Backend* Registry::winner(std::string_view name) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = winners_.find(name);
  return found == winners_.end() ? nullptr : found->second;
}

Backend* Registry::find(std::string_view name) {
  if (Backend* known = winner(name)) return known;
  for (Candidate* c : candidates()) {
    // Which name a built-in has is known only when it is loaded, and an override must come before
    // it.
    if (c->origin > Origin::kBuiltin && c->file_name != name) continue;
    load(*c);
    if (c->origin >= Origin::kBuiltin) {
      if (Backend* found = winner(name)) return found;
    }
  }
  return winner(name);
}

std::vector<Backend*> Registry::all() {
  std::vector<Backend*> result;
  for (Candidate* c : candidates()) load(*c);
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& c : candidates_) {
    if (c->report.state == BackendReport::State::kLoaded)
      result.push_back(winners_.find(c->report.name)->second);
  }
  return result;
}

std::vector<BackendReport> Registry::reports() {
  for (Candidate* c : candidates()) load(*c);
  std::vector<BackendReport> result;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& c : candidates_) result.push_back(c->report);
  return result;
}

std::string Registry::tried() {
  std::string text = "tried:";
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& c : candidates_) text += concat_text("\n  ", describe(c->report));
  if (candidates_.empty()) text += " nothing (no backend is linked in, and no plugin was found)";
  text += "\nlooked for libtenon_backend_<name>.so in:";
  for (const std::string& directory : settings_.directories) text += concat_text(" ", directory);
  if (settings_.directories.empty()) text += " nowhere";
  return text + "; set TENON_BACKEND_PATH to add directories";
}

Backend& Registry::load_file(const std::string& path) {
  if (path.find('/') == std::string::npos) {
    fail(ErrorCode::kDevice, "load_backend", "'", path,
         "' has no '/': give the path of the plugin's file (./", path,
         "), bare names are never searched for");
  }
  const std::string name = backend_name_of_file(path);
  if (name.empty()) {
    fail(ErrorCode::kDevice, "load_backend", path, " is not named libtenon_backend_<name>.so");
  }
  for (Candidate* c : candidates()) {
    if (c->origin == Origin::kBuiltin) load(*c);  // they come first
  }
  PluginFile file;
  Candidate* candidate = nullptr;
  if (inspect_file(path, false, &file).empty()) {
    // The same file again is no mistake.
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& c : candidates_) {
      if (c->inode == file.inode && c->device == file.device &&
          c->report.state == BackendReport::State::kLoaded) {
        candidate = c.get();
      }
    }
  }
  if (!candidate) {
    std::lock_guard<std::mutex> lock(mutex_);
    candidate = add(Origin::kExplicit, name, path, nullptr);
  }
  load(*candidate);
  std::unique_lock<std::mutex> lock(mutex_);
  const BackendReport report = candidate->report;
  if (report.state != BackendReport::State::kLoaded) {
    lock.unlock();
    fail(ErrorCode::kDevice, "load_backend", describe(report));
  }
  return *winners_.find(report.name)->second;
}

std::string Registry::shadowed_reason(const std::string& name, const std::string& path) {
  const Backend* first = winner(name);
  return concat_text("already registered (", first->path.empty() ? "built in" : first->path,
                     "); ignoring ", path.empty() ? "the built-in" : path,
                     "; use TENON_BACKEND_OVERRIDE=", name, "=/path to replace it");
}

bool Registry::claim_file(Candidate& candidate, const PluginFile& file, std::string* first_path) {
  std::lock_guard<std::mutex> lock(mutex_);
  candidate.device = file.device;
  candidate.inode = file.inode;
  for (const auto& c : candidates_) {
    if (c.get() != &candidate && c->inode == file.inode && c->device == file.device &&
        c->report.state == BackendReport::State::kLoaded) {
      *first_path = c->report.path;
      return false;
    }
  }
  return true;
}

// Runs in the candidate's Once: by one thread, without the registry's lock.
BackendReport Registry::try_load(Candidate& candidate, std::unique_ptr<Backend>* backend) {
  using State = BackendReport::State;
  BackendReport report = candidate.report;  // nobody else writes it now
  const auto end = [&](State state, std::string reason) {
    report.state = state;
    report.reason = std::move(reason);
    return report;
  };
  const auto disabled = [&] {
    return std::find(settings_.disabled.begin(), settings_.disabled.end(), report.name) !=
           settings_.disabled.end();
  };
  if (candidate.origin != Origin::kBuiltin) {
    if (disabled()) return end(State::kDisabled, "by TENON_DISABLE");
    if (winner(report.name))
      return end(State::kShadowed, shadowed_reason(report.name, report.path));
    PluginFile file;
    if (std::string bad = inspect_file(report.path, settings_.strict, &file); !bad.empty()) {
      return end(State::kRefused, bad);
    }
    std::string first_path;
    if (!claim_file(candidate, file, &first_path))
      return end(State::kShadowed, concat_text("the same file as ", first_path));
    if (settings_.log) say_line(concat_text("loader: opening ", file.real_path));
    if (std::string bad = open_plugin(file.real_path, &candidate.handle, &candidate.entry);
        !bad.empty()) {
      return end(State::kRefused, bad);
    }
  }
  *backend = register_backend(candidate.entry, candidate.file_name, &report);
  if (!*backend) {
    report.state = State::kRefused;
  } else if (disabled()) {
    backend->reset();
    return end(State::kDisabled, "by TENON_DISABLE");
  } else {
    report.state = State::kLoaded;
  }
  return report;
}

void Registry::load(Candidate& candidate) {
  if (candidate.loading.done()) return;
  candidate.loading.run([&] {
    std::unique_ptr<Backend> backend;
    BackendReport report = try_load(candidate, &backend);
    if (backend &&
        winner(
            report.name)) {  // a built-in that an override replaced, or two built-ins of one name
      report.state = BackendReport::State::kShadowed;
      report.reason = shadowed_reason(report.name, report.path);
      backend.reset();
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      // Between the look above and here another thread may have been faster: the first stays.
      if (backend && winners_.try_emplace(report.name, backend.get()).second) {
        static_cast<void>(backend.release());  // lives as long as the process
      } else if (backend) {
        report.state = BackendReport::State::kShadowed;
        report.reason = "registered by another thread at the same time";
      }
      candidate.report = report;
    }
    if (settings_.log) say_line(concat_text("loader: ", describe(report)));
  });
}

}  // namespace tenon
