// The backends linked into //:tenon. The one list of them; see core/device/builtin.h.
#include "tenon/device/builtin.h"

extern "C" TenonStatus tenon_backend_entry_v0_cpu(const TenonHost* host, const TenonBackend** out,
                                                  TenonError* error) noexcept;

namespace tenon {

std::span<const TenonEntryFn> builtin_backends() {
  static constexpr TenonEntryFn kEntries[] = {&tenon_backend_entry_v0_cpu};
  return kEntries;
}

}  // namespace tenon
