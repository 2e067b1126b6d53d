// What each reducer keeps for an output while it walks the reduced axes, as text of the generated
// source.
#ifndef TENON_BACKENDS_CODEGEN_REDUCER_H_
#define TENON_BACKENDS_CODEGEN_REDUCER_H_

#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace tenon_codegen {

// The text of reducer number r. Its fields are named <letter>r.
struct ReducerText {
  std::string fields;  // of the struct of all accumulators, "f64 s0;"
  std::string start;   // statements on `s`, before the first element
  std::string fold;    // takes the values v<value> (and v<key>) of one element into `s`
  std::string merge;   // takes the accumulators `b`, of elements that come later, into `a`
  std::vector<std::string> results;  // of `s`: the epilogue's inputs, one, or three for MOMENTS
};

// Without f64 on the device, float sums are kept in f32.
ReducerText EmitReducer(const TenonProgram& program, const TenonReducer& reducer, uint32_t r,
                        bool f64);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_REDUCER_H_
