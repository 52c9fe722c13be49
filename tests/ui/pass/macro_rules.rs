//! Everything may come from a macro, out of fragments of every kind.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::{Bus, Handler, Service};

macro_rules! shop {
    ($event:ident, $topic:literal, $handler:ident, $service:ident, $name:literal, $attempts:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = $topic, key = order_id)]
        pub struct $event {
            pub order_id: String,
        }

        #[handler(topic = $topic, retry(attempts = $attempts))]
        async fn $handler(_: $event, _: State<Gateway>) -> Vec<InvoiceSent> {
            Vec::new()
        }

        service! {
            pub $service = $name { handles: [$handler], publishes: [$event], state: [Gateway] }
        }
    };
}

shop!(Refunded, "shop.refunds", refund, Refunds, "refunds", 3);
shop!(Returned, "shop.returns", take_back, Returns, "returns", 4);

// Types, paths, expressions, visibilities, attributes and blocks reach the macros in invisible groups.

macro_rules! an_event {
    (
        $(#[$meta:meta])*
        $vis:vis $event:ident { $($field:ident: $ty:ty),* }
        on $topic:expr, named $name:literal, key $($key:ident).+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = $topic, name = $name, key = $($key).+)]
        $vis struct $event { $($field: $ty),* }
    };
}

macro_rules! a_handler {
    (
        $(#[$meta:meta])*
        $vis:vis $handler:ident($arg:ident: $event:ty $(, $from:pat => $extractor:ty)*) -> $output:ty $body:block
        on $topic:literal, group $group:literal, timeout $timeout:literal, order $order:ident, jitter $jitter:literal
    ) => {
        $(#[$meta])*
        #[handler(topic = $topic, group = $group, timeout = $timeout, order = $order, retry(jitter = $jitter))]
        $vis async fn $handler($arg: $event $(, $from: $extractor)*) -> $output $body
    };
}

macro_rules! a_service {
    (
        $(#[$meta:meta])*
        $vis:vis $service:ident = $name:expr, by $bus:path:
        $($handler:path),*; $($event:ty),*; $($state:ty),*
    ) => {
        service! {
            $(#[$meta])*
            $vis $service = $name {
                handles: [$($handler),*],
                publishes: [$($event),*],
                state: [$($state),*],
                crate: $bus,
            }
        }
    };
}

macro_rules! a_request {
    ($event:ident($older:ty), answered by $reply:ty, on $topic:literal, named $name:literal) => {
        #[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = $topic, name = $name, version = 2, upcasts($older), reply = $reply)]
        pub struct $event {
            field: String,
        }

        impl From<$older> for $event {
            fn from(_: $older) -> Self {
                Self { field: String::new() }
            }
        }
    };
}

macro_rules! a_topology {
    (
        $(#[$meta:meta])*
        $vis:vis $topology:ident, by $bus:path: $($(#[$cfg:meta])* $service:path),*; to $($to:ty),*
    ) => {
        typebus::topology! {
            $(#[$meta])*
            $vis $topology = [$($(#[$cfg])* $service),*];
            to_outside: [$($to),*];
            crate: $bus
        }
    };
}

an_event! {
    /// Its key is a field inside.
    #[cfg(all())]
    pub Weighed { parcel: Parcel }
    on "shop.weights", named "parcel.weighed", key parcel.id
}

an_event! {
    #[cfg(any())]
    Absent { parcel: ThisDoesNotExist }
    on "shop.absent", named "absent", key parcel
}

a_handler! {
    /// Weighs.
    weigh(weighed: Weighed, _ => State<Gateway>, attempt => Attempt) -> Option<PaymentCaptured> {
        (attempt.number() == 1).then(|| PaymentCaptured { order_id: weighed.parcel.id.to_string() })
    }
    on "shop.weights", group "scales", timeout "5s", order partition, jitter false
}

a_handler! {
    #[cfg(any())]
    absent(_event: Absent) -> () {}
    on "shop.absent", group "absent", timeout "5s", order key, jitter true
}

a_service! {
    /// Has the scales.
    pub Scales = "scales", by ::typebus:
    weigh, self::elsewhere::log; common::OrderPlaced, Weighed; Gateway, self::Mailer
}

a_request!(Asked(elsewhere::AskedBefore), answered by Option<self::Parcel>, on "asked.{field}", named "asked");

a_topology! {
    /// Has what has the scales.
    pub Storage, by typebus: self::Scales, Company, #[cfg(any())] Absent; to PaymentCaptured
}

mod elsewhere {
    use super::common::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "asked.{field}", name = "asked", key = field, reply = Option<super::Parcel>)]
    pub struct AskedBefore {
        field: u8,
    }

    #[handler]
    pub(super) async fn log(_: OrderPlaced, _: State<Mailer>) {}
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parcel {
    id: u64,
}

// One line for a topic, and what is done with its events: repetitions in repetitions.
macro_rules! company {
    ($service:ident = $name:literal: $($topic:literal => $module:ident {
        $($event:ident ($kind:literal) => [$($handler:ident of $group:literal),*]),*
    })*) => {
        $(mod $module {
            use super::common::*;

            $(
                #[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
                #[event(topic = $topic, name = $kind)]
                pub struct $event;

                $(
                    #[handler(topic = $topic, group = $group, concurrency = 1)]
                    pub async fn $handler(_: $event) {}
                )*
            )*

            #[derive(EventSet)]
            pub enum Any { $($event($event)),* }

            #[derive(Debug, thiserror::Error, HandlerError)]
            pub enum Error {
                $(#[error($kind)] #[outcome(retry(after = "1s"))] $event,)*
            }

            #[derive(Key)]
            pub struct Id<T>(pub T);
        })*

        service! {
            $service = $name {
                handles: [$($($($module::$handler),*),*),*],
                publishes: [$($module::Any),*],
            }
        }
    };
}

company! {
    Company = "company":
    "company.people" => people {
        Hired("person.hired") => [welcome of "office", pay of "bank"],
        Left("person.left") => [part of "office"]
    }
    "company.rooms" => rooms {
        Let("room.let") => [clean of "office"]
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> typebus::Result<()> {
    let names = |service: &typebus::ServiceDescriptor| {
        service.handlers().iter().map(|handler| handler.name()).collect::<Vec<_>>()
    };
    assert_eq!(names(&Refunds::DESCRIPTOR), ["refund"]);
    assert_eq!(names(&Scales::DESCRIPTOR), ["weigh", "log"]);
    assert_eq!(names(&Company::DESCRIPTOR), ["welcome", "pay", "part", "clean"]);
    assert_eq!(take_back::DESCRIPTOR.policy().attempts, 4);
    assert_eq!(rooms::Let::DESCRIPTOR.topic(), "company.rooms");
    let weigh = weigh::DESCRIPTOR;
    assert_eq!((weigh.topic(), weigh.group()), (Some("shop.weights"), Some("scales")));
    assert_eq!(weigh.policy().order, typebus::Order::Partition);
    assert!(!weigh.policy().backoff.jitter);
    let _ = (people::Error::Hired, people::Error::Left, rooms::Error::Let, people::Id(1), rooms::Id("1"));

    let scales = Bus::<Scales>::builder().state((Gateway, Mailer)).connect("memory:macros").await?;
    let company = Bus::<Company>::builder().connect("memory:macros").await?;
    let running = typebus::start([&scales, &company]).await?;
    scales.publish(&Weighed { parcel: Parcel { id: 7 } }).await?;
    company.publish(&people::Any::Hired(people::Hired)).await?;
    company.publish(&people::Any::Left(people::Left)).await?;
    company.publish(&rooms::Any::Let(rooms::Let)).await?;
    running.caught_up().await?;
    let handled = running.stats().groups().iter().map(|group| group.handled).sum::<u64>();
    assert_eq!(handled, 5);
    running.stop().await
}
