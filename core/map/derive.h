// The derivative of a program is a program.
//
//   Gradient g = derive(p, 0b01);   // with respect to input 0
//   g.program: inputs are what was saved, then the gradients of p's floating outputs; outputs are
//   the gradients of the needed inputs, in order.
//
// A reverse sweep over the instructions with one rule per opcode. Three things make it good:
//   nested slopes  a value with an entry in the side table uses that instead of its opcodes' rules,
//   also
//                  where one operation is used inside another (sigmoid inside silu);
//   guards         through SELECT the condition travels outward with the contribution, which ends
//   as
//                  select(c, g * slope, 0), never select(c, g, 0) * slope: a slope that is infinite
//                  where the branch is not taken does no harm, to any order;
//   saving         the outputs alone if the gradient can be written in them, else the inputs it
//   needs.
// Corners: abs'(0) = 0, maximum and minimum give ties one half each, d pow(x, 0)/dx = 0 everywhere.
#ifndef TENON_MAP_DERIVE_H_
#define TENON_MAP_DERIVE_H_

#include <cstdint>
#include <vector>

#include "tenon/map/program.h"

namespace tenon::map {

struct SavedValue {
  bool output;  // of the program: output `index`, else input `index`
  uint32_t index;
  friend bool operator==(const SavedValue&, const SavedValue&) = default;
};

struct Gradient {
  Program program;
  std::vector<SavedValue> saved;  // program.inputs[0 .. saved.size())
  std::vector<uint32_t>
      differentiable;            // outputs whose gradients are the inputs after that, in order
  std::vector<uint32_t> needed;  // inputs whose gradients are the outputs, in order
};

// `needed` has bit i set for every input whose gradient is wanted (floating ones; others are
// ignored). Scalars keep their slots. `outputs_at_hand` false: the outputs were not kept, so the
// gradient is written in the inputs. Throws kUnsupported if an opcode on the way has no derivative
// rule (DIGAMMA).
Gradient derive(const Program& program, uint64_t needed, bool outputs_at_hand = true);

}  // namespace tenon::map

#endif  // TENON_MAP_DERIVE_H_
