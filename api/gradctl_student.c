/* Student's t distribution, for the intervals of a fit. */
#include <math.h>

#include "api/gradctl.h"

/* Abramowitz and Stegun, 26.7.3 and 26.7.4: a finite sum, whose terms fade. */
double student_within(double t, long n) {
    const double angle = atan2(fabs(t), sqrt((double)n)), c = cos(angle), s = sin(angle);
    const bool odd = n % 2 == 1;
    double term = odd ? c : 1, sum = n > 1 ? term : 0;
    for (long k = odd ? 3 : 2; k <= n - 2 && term > sum * 1e-17; k += 2) {
        term *= c * c * (double)(k - 1) / (double)k;
        sum += term;
    }
    return odd ? 2 / M_PI * (angle + s * sum) : s * sum;
}

double student_quantile(double within, long n) {
    double low = 0, high = 1;
    while (student_within(high, n) < within && high < 1e300) low = high, high *= 2;
    for (int i = 0; i < 100 && low < high; i++) {
        const double middle = low + (high - low) / 2;
        if (student_within(middle, n) < within)
            low = middle;
        else
            high = middle;
    }
    return high;
}
