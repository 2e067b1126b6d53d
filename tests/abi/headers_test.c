/* Proves, by being compiled as C99 and C11 with -Wpadded -pedantic -Werror, that the headers of the
 * ABI are strict C, stand alone, and have no hidden padding. */
#include "tenon/abi/tenon_backend.h"
#include "tenon/abi/tenon_float8.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/abi/tenon_kit_philox.h"
#include "tenon/abi/tenon_kit_program.h"
#include "tenon/abi/tenon_kit_special.h"
#include "tenon/abi/tenon_plugin_kit.h"

int main(void) { return tenon_f32_to_f16(1.0f) == 0x3c00 ? 0 : 1; }
