// Functions that C has not, or has with a global variable: one element, in f64, not vectorised.
#ifndef TENON_BACKENDS_CPU_SPECIAL_FUNCTIONS_H_
#define TENON_BACKENDS_CPU_SPECIAL_FUNCTIONS_H_

namespace tenon_cpu {

double ErfInverse(double x);
double LogGamma(double x);  // without lgamma's signgam, which would be a data race
double Digamma(double x);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_SPECIAL_FUNCTIONS_H_
