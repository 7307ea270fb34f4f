package utresa;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.Encoder;

/**
 * The six record types, read and written field by field in the order of their Avro schemas: as fast as Avro gets in Java.
 * Days are days since 1970.
 */
sealed interface Registration {
    /** A day that is not there. */
    int NONE = Integer.MIN_VALUE;

    Head head();

    void write(Encoder out) throws IOException;

    static Registration read(Topic topic, BinaryDecoder in) throws IOException {
        Head head = Head.read(in);
        return switch (topic) {
            case AGENCY_DECISION, POLICE_DECISION -> Decision.read(head, in);
            case AGENCY_RETURN_CASE -> ReturnCase.read(head, in);
            case AGENCY_HANDOVER -> Handover.read(head, in);
            case AGENCY_EXIT, POLICE_EXIT -> ExitRegistration.read(head, in);
            case POLICE_ENFORCEMENT_CASE -> EnforcementCase.read(head, in);
            case POLICE_TRAVEL_ORDER -> TravelOrder.read(head, in);
        };
    }

    /** What every registration starts with. */
    record Head(String recordId, long revision, boolean retracted, int registeredOn, int revisedOn, String caseId) {
        static Head read(BinaryDecoder in) throws IOException {
            return new Head(
                    in.readString(), in.readLong(), in.readBoolean(), in.readInt(), in.readInt(), in.readString());
        }

        void write(Encoder out) throws IOException {
            out.writeString(recordId);
            out.writeLong(revision);
            out.writeBoolean(retracted);
            out.writeInt(registeredOn);
            out.writeInt(revisedOn);
            out.writeString(caseId);
        }
    }

    record Decision(
            Head head,
            Kind kind,
            int decidedOn,
            int finalOn,
            boolean immediateEnforcement,
            boolean withdrawnApplication,
            String homeCountry,
            List<String> destinationCountries,
            List<String> residenceCountries,
            List<String> alertIds,
            boolean criminalActor)
            implements Registration {
        enum Kind {
            REMOVAL,
            DUBLIN_TRANSFER,
            REFUSAL_OF_ENTRY,
            COURT_EXPULSION;

            static final Kind[] ALL = values();
        }

        static Decision read(Head head, BinaryDecoder in) throws IOException {
            return new Decision(
                    head,
                    Kind.ALL[in.readEnum()],
                    in.readInt(),
                    readDay(in),
                    in.readBoolean(),
                    in.readBoolean(),
                    readText(in),
                    readTexts(in),
                    readTexts(in),
                    readTexts(in),
                    in.readBoolean());
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeEnum(kind.ordinal());
            out.writeInt(decidedOn);
            writeDay(out, finalOn);
            out.writeBoolean(immediateEnforcement);
            out.writeBoolean(withdrawnApplication);
            writeText(out, homeCountry);
            writeTexts(out, destinationCountries);
            writeTexts(out, residenceCountries);
            writeTexts(out, alertIds);
            out.writeBoolean(criminalActor);
        }
    }

    /** The reason's number in the schema; NONE where there is none. */
    record ReturnCase(Head head, int openedOn, int closedOn, int reason) implements Registration {
        static final String[] REASONS = {"own_exit", "handed_over", "written_off", "other"};

        static ReturnCase read(Head head, BinaryDecoder in) throws IOException {
            return new ReturnCase(head, in.readInt(), readDay(in), readChoice(in));
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeInt(openedOn);
            writeDay(out, closedOn);
            writeChoice(out, reason);
        }
    }

    record Handover(Head head, int handedOverOn, int reason) implements Registration {
        static final String[] REASONS = {"absconded", "coercion"};

        static Handover read(Head head, BinaryDecoder in) throws IOException {
            return new Handover(head, in.readInt(), in.readEnum());
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeInt(handedOverOn);
            out.writeEnum(reason);
        }
    }

    record EnforcementCase(Head head, int openedOn, Basis basis, int closedOn, int reason) implements Registration {
        enum Basis {
            HANDOVER("handover"),
            OWN_DECISION("own_decision"),
            RE_ENCOUNTER("re_encounter"),
            COURT_EXPULSION("court_expulsion");

            static final Basis[] ALL = values();
            final String label;

            Basis(String label) {
                this.label = label;
            }
        }

        static final String[] REASONS = {"exit", "permit_granted", "dublin_deadline_expired", "prescribed", "other"};

        static EnforcementCase read(Head head, BinaryDecoder in) throws IOException {
            return new EnforcementCase(head, in.readInt(), Basis.ALL[in.readEnum()], readDay(in), readChoice(in));
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeInt(openedOn);
            out.writeEnum(basis.ordinal());
            writeDay(out, closedOn);
            writeChoice(out, reason);
        }
    }

    record ExitRegistration(Head head, int exitOn, String country, int authority, int manner, int evidence)
            implements Registration {
        static final String[] AUTHORITIES = {"migrationsverket", "polisen"};
        static final String[] MANNERS = {"by_police", "own_exit"};
        static final int SIS = 2;
        static final int TAX_AGENCY = 3;

        static ExitRegistration read(Head head, BinaryDecoder in) throws IOException {
            return new ExitRegistration(
                    head, in.readInt(), readText(in), readChoice(in), readChoice(in), in.readEnum());
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeInt(exitOn);
            writeText(out, country);
            writeChoice(out, authority);
            writeChoice(out, manner);
            out.writeEnum(evidence);
        }
    }

    record TravelOrder(Head head, String orderId, int orderedOn, String country, int cancelledOn)
            implements Registration {
        static TravelOrder read(Head head, BinaryDecoder in) throws IOException {
            return new TravelOrder(head, in.readString(), in.readInt(), readText(in), readDay(in));
        }

        @Override
        public void write(Encoder out) throws IOException {
            head.write(out);
            out.writeString(orderId);
            out.writeInt(orderedOn);
            writeText(out, country);
            writeDay(out, cancelledOn);
        }
    }

    // Nullable fields are unions with null first.

    private static int readDay(BinaryDecoder in) throws IOException {
        return in.readIndex() == 0 ? NONE : in.readInt();
    }

    private static void writeDay(Encoder out, int day) throws IOException {
        out.writeIndex(day == NONE ? 0 : 1);
        if (day != NONE) {
            out.writeInt(day);
        }
    }

    private static int readChoice(BinaryDecoder in) throws IOException {
        return in.readIndex() == 0 ? NONE : in.readEnum();
    }

    private static void writeChoice(Encoder out, int choice) throws IOException {
        out.writeIndex(choice == NONE ? 0 : 1);
        if (choice != NONE) {
            out.writeEnum(choice);
        }
    }

    private static String readText(BinaryDecoder in) throws IOException {
        return in.readIndex() == 0 ? null : in.readString();
    }

    private static void writeText(Encoder out, String text) throws IOException {
        out.writeIndex(text == null ? 0 : 1);
        if (text != null) {
            out.writeString(text);
        }
    }

    private static List<String> readTexts(BinaryDecoder in) throws IOException {
        List<String> texts = null;
        for (long left = in.readArrayStart(); left > 0; left = in.arrayNext()) {
            texts = texts == null ? new ArrayList<>((int) left) : texts;
            for (long item = 0; item < left; item++) {
                texts.add(in.readString());
            }
        }
        return texts == null ? List.of() : texts;
    }

    private static void writeTexts(Encoder out, List<String> texts) throws IOException {
        out.writeArrayStart();
        out.setItemCount(texts.size());
        for (String text : texts) {
            out.startItem();
            out.writeString(text);
        }
        out.writeArrayEnd();
    }
}
