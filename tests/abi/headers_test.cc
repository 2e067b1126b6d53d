// The same as headers_test.c, as C++17 and C++20.
#include "tenon/abi/tenon_backend.h"
#include "tenon/abi/tenon_float8.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/abi/tenon_kit_philox.h"
#include "tenon/abi/tenon_kit_program.h"
#include "tenon/abi/tenon_kit_special.h"
#include "tenon/abi/tenon_plugin_kit.h"

// Its classes do not cross the ABI.
#pragma GCC diagnostic ignored "-Wpadded"
#include "tenon/abi/tenon_plugin.hpp"

int main() { return tenon_f32_to_f16(1.0f) == 0x3c00 ? 0 : 1; }
