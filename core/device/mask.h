// TENON_MASK="simdev:matmul,simdev:erf": entries and opcodes of a backend that count as absent, so
// that tests can reach every way around them. Read when a backend is registered and when its
// devices are opened.
#ifndef TENON_DEVICE_MASK_H_
#define TENON_DEVICE_MASK_H_

#include <cstdint>
#include <string_view>

#include "tenon/device/device_state.h"

namespace tenon {

// Is "<backend>:<name>" listed? Case does not matter.
bool is_masked(std::string_view backend, std::string_view name);

// Sets masked optional entries (those of the tensor, fused and memory groups,
// and the streams group's last two) to NULL.
void mask_tables(BackendTables* tables);

// Clears the bits of masked opcodes; true if there were any.
bool mask_opcodes(std::string_view backend, uint64_t opcodes[4]);

}  // namespace tenon

#endif  // TENON_DEVICE_MASK_H_
